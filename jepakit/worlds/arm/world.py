"""The arm as a world to plan in: starts, goals, and what actions make of states."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from jepakit.worlds.arm.arm7 import Arm7, Task
from jepakit.worlds.arm.expert import Errand, choose_actions
from jepakit.worlds.arm.scene import HEIGHTS
from jepakit.worlds.arm.simulator import LAYOUT, ArmSimulator
from jepakit.worlds.arm.tasks import LIFTED, hand_of, is_held, is_solved, length, thing_of
from jepakit.worlds.bounds import cut_for
from jepakit.worlds.chance import uniforms

WORKSPACE = ((0.40, 0.60), (-0.18, 0.18), (0.14, 0.30))
"""Where hands start and are to go, and (on the table) things: meters along x, y and z."""
MIDDLE = tuple((low + high) / 2 for low, high in WORKSPACE)
FAR = 0.15
"""A goal lies at least so far from the start."""
_ERRANDS: dict[Task, Errand] = {
    "reach": "reach", "grasp": "carry", "reach_with_object": "carry", "pick_place": "put",
}  # fmt: skip
_LONGEST, _TRIES, _KEPT = 60, 20, 65_536


class Episode(NamedTuple):
    """Where an episode starts, and the states that it should go through: the last one is the goal."""

    start: Float[Tensor, "k"]
    through: Float[Tensor, "g k"]


class ArmWorld:
    """A `contracts.World`: states have `LAYOUT.size` numbers, actions and proprio are poses (`jepakit.poses`).

    What a task shows as its goal was reached by a script in the same physics, so it can be reached.
    """

    longest: float | None = None

    def __init__(self, config: Arm7) -> None:
        self.config = config
        most = [config.longest_move] * 3 + [config.longest_turn] * 3 + [1.0]
        self.high = torch.tensor(most)
        self.low = -self.high
        self._simulator = ArmSimulator(config)
        self._episode = lru_cache(_KEPT)(self._lay_out)

    def __reduce__(self) -> tuple[type["ArmWorld"], tuple[Arm7]]:
        return ArmWorld, (self.config,)

    def start(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """A state for each seed, always the same one."""
        return torch.stack([self._episode(seed).start for seed in seeds.tolist()])

    def goal(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """What the task is to lead to, from the start of each seed."""
        return self.subgoals(seeds)[:, -1]

    def subgoals(self, seeds: Int[Tensor, "b"]) -> Float[Tensor, "b g k"]:
        """The states to go through, the goal included, for planners that look but a step or two ahead.

        grasp: the open hand around the thing, closed around it, the thing lifted. pick_place: the first two of these,
        then the thing above its place, and put down there (V-JEPA 2-AC has the last three). The other tasks have but
        their goal.
        """
        return torch.stack([self._episode(seed).through for seed in seeds.tolist()])

    def step(self, states: Float[Tensor, "*s k"], actions: Float[Tensor, "*s a"]) -> Float[Tensor, "*s k"]:
        """What one action makes of each state, one after the other: it is exact, and the same every time."""
        cut = cut_for(self, actions)
        flat = states.reshape(-1, LAYOUT.size).detach().cpu().double().numpy()
        moved = [
            self._simulator.step(state, action)
            for state, action in zip(flat, cut.reshape(-1, 7).detach().cpu().double().numpy(), strict=True)
        ]
        return torch.from_numpy(np.stack(moved)).reshape(states.shape).to(states)

    def render(self, states: Float[Tensor, "b k"]) -> UInt8[Tensor, "b h w c"]:
        """A picture of each state. Raises mujoco.NoCanvas where nothing can be drawn."""
        drawn = [self._simulator.draw(state) for state in states.detach().cpu().double().numpy()]
        return torch.from_numpy(np.stack(drawn))

    def proprio(self, states: Float[Tensor, "*s k"]) -> Float[Tensor, "*s p"]:
        """The pose of the hand, and how far the gripper is closed."""
        return states[..., LAYOUT.pose]

    def solved(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
        """Whether the task is done; see `tasks.is_solved`."""
        return is_solved(self.config, states, goals)

    def guide(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Float[Tensor, "*s a"]:
        """What the script does next to get what the goals show: the world is `policies.Guided`."""
        return choose_actions(self.config, _ERRANDS[self.config.task], states, goals[..., self._matters])

    def elsewhere(self, states: Float[Tensor, "b k"], seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]:
        """Other goals in the same scenes, good enough for `guide` and `solved`: what does not matter is as it was."""
        goals, places = states.clone(), draw_places(seeds)
        if self.config.task == "pick_place":
            places[:, 2] = HEIGHTS[self.config.thing]
        goals[:, self._matters] = places
        return goals

    @property
    def _matters(self) -> slice:
        """Where the place of what a task is about stands in a state."""
        return slice(0, 3) if self.config.task == "reach" else LAYOUT.thing

    def close(self) -> None:
        """Frees what was opened to draw."""
        self._simulator.close()

    def _lay_out(self, seed: int) -> Episode:
        """The episode of a seed: drawn again where the script could not do it."""
        for attempt in range(_TRIES):
            chance = np.random.default_rng((seed % 2**64, attempt))
            found = self._reach(chance) if self.config.task == "reach" else self._handle(chance)
            if found is not None and not is_solved(self.config, found.start, found.through[-1]):
                return found
        raise ValueError(f"the script did not manage {self.config.task} from seed {seed}; is the arm too unlike?")

    def _reach(self, chance: np.random.Generator) -> Episode | None:
        start, place = self._draw_start(chance), _draw_place(chance)
        if length(hand_of(start) - place) < FAR:
            return None
        found = self._follow("reach", start, place)
        return Episode(start, found[-1:])

    def _handle(self, chance: np.random.Generator) -> Episode | None:
        """The script picks the thing up; what it does then depends on the task."""
        start, place = self._draw_start(chance), _draw_place(chance)
        lifted = thing_of(start) + torch.tensor([0.0, 0.0, 2.5 * LIFTED])
        picked = self._follow("carry", start, lifted)
        closed, held = int(is_held(picked).int().argmax()), picked[-1]
        if not is_held(held) or (thing_of(held)[2] - thing_of(start)[2]) < LIFTED:
            return None
        around = picked[closed - 1 : closed + 1]
        if self.config.task == "grasp":
            return Episode(start, torch.cat([around, held[None]]))
        if length((thing_of(start) - place)[:2]) < FAR:
            return None
        if self.config.task == "reach_with_object":
            there = self._follow("carry", held, place)[-1]
            return Episode(held, there[None]) if is_solved(self.config, there, _with_thing(there, place)) else None
        place[2] = HEIGHTS[self.config.thing]
        over = place + torch.tensor([0.0, 0.0, 2.5 * LIFTED])
        above = self._follow("carry", held, over)[-1]
        put = self._follow("put", above, place)[-1]
        reached = is_held(above) and is_solved(self.config, put, _with_thing(put, place))
        return Episode(start, torch.cat([around, torch.stack([above, put])])) if reached else None

    def _follow(self, errand: Errand, start: Float[Tensor, "k"], place: Float[Tensor, "3"]) -> Float[Tensor, "t k"]:
        """The states of an errand, until the arm comes to rest."""
        states = [start]
        while len(states) < _LONGEST:
            action = choose_actions(self.config, errand, states[-1], place)
            if action.abs().max() < 0.003:
                break
            states.append(self.step(states[-1], action))
        return torch.stack(states)

    def _draw_start(self, chance: np.random.Generator) -> Float[Tensor, "k"]:
        hand, thing = _draw_place(chance).double().numpy(), _draw_place(chance).double().numpy()[:2]
        yaw, spin = chance.uniform(-0.15, 0.15, 2)
        return torch.from_numpy(self._simulator.place(hand, yaw, thing, spin))


def draw_places(seeds: Int[Tensor, "b"]) -> Float[Tensor, "b 3"]:
    """A place in the workspace for each seed."""
    low, high = torch.tensor(WORKSPACE).unbind(1)
    return low + uniforms(seeds, 3, 0) * (high - low)


def _draw_place(chance: np.random.Generator) -> Float[Tensor, "3"]:
    low, high = zip(*WORKSPACE, strict=True)
    return torch.from_numpy(chance.uniform(low, high).astype(np.float32))


def _with_thing(state: Float[Tensor, "k"], place: Float[Tensor, "3"]) -> Float[Tensor, "k"]:
    """The state with the thing at a place: what was meant, to be compared with what came of it."""
    meant = state.clone()
    meant[LAYOUT.thing] = place
    return meant
