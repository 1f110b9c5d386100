"""Worlds as environments of gymnasium, one by one and many at once.

    from jepakit.worlds.environments import register
    register()
    env = gymnasium.make("jepakit/TwoRooms-v0")
    envs = gymnasium.make_vec("jepakit/TwoRooms-v0", num_envs=64)

An observation is {"pixels", "proprio"}. What is to be reached is in the info of reset and step: "goal", an observation,
"goal_state", and the world's "state". A reward of one is paid at the goal, where an episode ends.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import World
from jepakit.worlds.listing import WORLDS

try:
    import gymnasium
    from gymnasium import spaces
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ImportError(f"environments need gymnasium: pip install 'jepakit[worlds]' ({error})") from None

Seen = dict[str, np.ndarray]
IDS = {
    "jepakit/TwoRooms-v0": ("two_rooms", 200),
    "jepakit/DiverseMaze-v0": ("diverse_maze", 125),
    "jepakit/DiverseMazeUnseen-v0": ("diverse_maze_unseen", 125),
    "jepakit/Push-v0": ("push", 50),
    "jepakit/Arm7-v0": ("arm7", 40),
}
"""The world of each id, and after how many steps an episode is cut off."""


def register() -> None:
    """Tells gymnasium of all ids; calling it again changes nothing."""
    for name, (world, steps) in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point=f"{__name__}:WorldEnvironment",
                vector_entry_point=f"{__name__}:WorldEnvironments",
                max_episode_steps=steps,
                kwargs={"config": WORLDS[world]},
            )


class WorldEnvironment(gymnasium.Env[Seen, np.ndarray]):
    """One episode of a world. `reset(options={"start": state, "goal": state})` sets either of them."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012, gymnasium's own

    def __init__(self, config: Config, render_mode: str | None = None):
        self.world: World = config.build()
        self.render_mode = render_mode
        self.observation_space, self.action_space = _spaces_of(self.world)
        self.state = self.goal = self.world.start(torch.zeros(1, dtype=torch.long))
        self._wanted: Seen = {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        """A new episode: with a seed, always the same. Raises ValueError for an unknown option."""
        super().reset(seed=seed)
        options = options or {}
        if unknown := sorted(options.keys() - {"start", "goal"}):
            raise ValueError(f"reset takes the options start and goal, each a state, not {', '.join(unknown)}")
        seeds = _draw_seeds([self.np_random])
        self.state = self._given(options["start"]) if "start" in options else self.world.start(seeds)
        self.goal = self._given(options["goal"]) if "goal" in options else self.world.goal(seeds)
        self._wanted = _first(_look(self.world, self.goal))
        return _first(_look(self.world, self.state)), self._info()

    def step(self, action: np.ndarray) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """What an action makes of the world."""
        self.state = self.world.step(self.state, torch.as_tensor(np.asarray(action), dtype=torch.float32)[None])
        solved = bool(self.world.solved(self.state, self.goal))
        return _first(_look(self.world, self.state)), float(solved), solved, False, self._info()

    def render(self) -> np.ndarray:
        """The picture of this moment."""
        return self.world.render(self.state)[0].numpy()

    def _given(self, state: Any) -> Tensor:
        found = torch.as_tensor(np.asarray(state), dtype=torch.float32).reshape(1, -1)
        if found.shape != self.state.shape:
            raise ValueError(f"a state of this world has {self.state.shape[1]} numbers, got {found.shape[1]}")
        return found

    def _info(self) -> dict[str, Any]:
        return _tell(self._wanted, self.state[0], self.goal[0])


class WorldEnvironments(VectorEnv[Seen, np.ndarray, np.ndarray]):
    """Episodes of `num_envs` worlds at once, in a single call of the world.

    Those that ended begin again at the next step, whose action they ignore. Each is as if it were played alone.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012, gymnasium's own
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(self, config: Config, num_envs: int, max_episode_steps: int, render_mode: str | None = None):
        self.world: World = config.build()
        self.num_envs, self.max_episode_steps, self.render_mode = num_envs, max_episode_steps, render_mode
        self.single_observation_space, self.single_action_space = _spaces_of(self.world)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.generators = [np.random.default_rng() for _ in range(num_envs)]
        self.state = self.goal = self.world.start(torch.zeros(num_envs, dtype=torch.long))
        self._wanted: Seen = {}
        self.ended = torch.zeros(num_envs, dtype=torch.bool)
        self.moments = torch.zeros(num_envs, dtype=torch.long)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """New episodes; from a single seed, each gets its own: seed, seed + 1, and so on."""
        if options:
            raise ValueError(f"many environments at once take no options, got {', '.join(sorted(options))}")
        seeds = [seed + row for row in range(self.num_envs)] if isinstance(seed, int) else seed
        for row, each in enumerate(seeds or []):
            if each is not None:
                self.generators[row] = np.random.default_rng(each)
        drawn = _draw_seeds(self.generators)
        self.state, self.goal = self.world.start(drawn), self.world.goal(drawn)
        self._wanted = _look(self.world, self.goal)
        self.ended, self.moments = torch.zeros_like(self.ended), torch.zeros_like(self.moments)
        return _look(self.world, self.state), self._info()

    def step(self, actions: np.ndarray) -> tuple[Seen, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """What the actions make of the worlds; those that ended start again."""
        renewed = self.ended
        state = self.world.step(self.state, torch.as_tensor(np.asarray(actions), dtype=torch.float32))
        self.state = state
        self.moments = torch.where(renewed, 0, self.moments + 1)
        if renewed.any():
            self._renew(renewed)
        solved = self.world.solved(self.state, self.goal) & ~renewed
        cut_off = (self.moments >= self.max_episode_steps) & ~renewed
        self.ended = solved | cut_off
        seen = _look(self.world, self.state)
        return seen, solved.double().numpy(), solved.numpy(), cut_off.numpy(), self._info()

    def render(self) -> tuple[np.ndarray, ...]:
        """A picture of each."""
        return tuple(self.world.render(self.state).numpy())

    def _renew(self, rows: Tensor) -> None:
        drawn = _draw_seeds([self.generators[row] for row in rows.nonzero()[:, 0].tolist()])
        self.state, self.goal = self.state.clone(), self.goal.clone()
        self.state[rows], self.goal[rows] = self.world.start(drawn), self.world.goal(drawn)
        self._wanted = _look(self.world, self.goal)

    def _info(self) -> dict[str, Any]:
        return _tell(self._wanted, self.state, self.goal)


def _spaces_of(world: World) -> tuple[spaces.Space[Any], spaces.Box]:
    seen = _first(_look(world, world.start(torch.zeros(1, dtype=torch.long))))
    pixels = spaces.Box(0, 255, seen["pixels"].shape, np.uint8)
    proprio = spaces.Box(-np.inf, np.inf, seen["proprio"].shape, np.float32)
    return spaces.Dict({"pixels": pixels, "proprio": proprio}), spaces.Box(world.low.numpy(), world.high.numpy())


def _look(world: World, states: Tensor) -> Seen:
    return {"pixels": world.render(states).numpy(), "proprio": world.proprio(states).numpy()}


def _tell(wanted: Seen, state: Tensor, goal: Tensor) -> dict[str, Any]:
    """The info, in copies: who is told may change what it was told."""
    copied = {key: value.copy() for key, value in wanted.items()}
    return {"goal": copied, "state": state.numpy().copy(), "goal_state": goal.numpy().copy()}


def _first(seen: Mapping[str, np.ndarray]) -> Seen:
    return {key: value[0] for key, value in seen.items()}


def _draw_seeds(generators: Sequence[np.random.Generator]) -> Tensor:
    return torch.tensor([int(generator.integers(2**62)) for generator in generators])
