"""What the arm does while data are collected: errands by script, with noise and failures, and plain wandering."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from jepakit.config import Config
from jepakit.worlds.arm.expert import choose_actions, is_placed
from jepakit.worlds.arm.scene import HEIGHTS
from jepakit.worlds.arm.tasks import hand_of, length
from jepakit.worlds.arm.world import WORKSPACE, ArmWorld

Kind = Literal["put", "carry", "reach", "wander"]
KINDS: tuple[Kind, ...] = ("put", "carry", "reach", "wander")
_LASTS = 0.7
"""How much of the noise of a step is left in the next: a hand drifts, it does not tremble."""
_WANDERING, _WANDERING_SLIPS, _LEANING, _TURNING, _HIGH = 0.6, 3, 0.15, 0.4, 0.13
_TOGETHER = 64
"""Episodes that are played side by side: the script is quick for many at once."""


@dataclass(frozen=True, kw_only=True)
class ArmPolicy(Config):
    """Each episode is of one kind, a pure function of its seed; the script never sees what a task has as its goal.

    `shares` are those of `KINDS`: to fetch the thing and put it down at some place, to carry it about, to move the hand
    from place to place, and to move at random. `noise` is the deviation of actions in shares of the longest one, on
    average over episodes: some have none, some twice as much. With the chance `slip`, a step does something else with
    the gripper.
    """

    shares: tuple[float, float, float, float] = (0.45, 0.2, 0.15, 0.2)
    noise: float = 0.15
    slip: float = 0.03

    def __post_init__(self) -> None:
        if min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares of {', '.join(KINDS)} are 0 or more and add up to 1, got {self.shares}")
        if self.noise < 0 or not 0 <= self.slip <= 1:
            raise ValueError(f"noise is 0 or more and slip a chance, got {self.noise} and {self.slip}")

    def plan(self, world: ArmWorld, seed: int, steps: int) -> "Plan":
        """Everything that is random in the episode of a seed, drawn before it begins."""
        chance = np.random.default_rng((seed, 1))
        kind = int(chance.choice(len(KINDS), p=self.shares))
        wanders = KINDS[kind] == "wander"
        drift = chance.standard_normal((steps, 6)).astype(np.float32)
        for step in range(1, steps):
            drift[step] = _LASTS * drift[step - 1] + math.sqrt(1 - _LASTS**2) * drift[step]
        drift *= _WANDERING if wanders else 2 * chance.random() * self.noise
        drift[:, 3:] *= _TURNING
        slips = chance.random(steps) < (_WANDERING_SLIPS if wanders else 1) * self.slip
        grips = np.where(slips, chance.uniform(-1, 1, steps), np.nan).astype(np.float32)
        low, high = zip(*WORKSPACE, strict=True)
        places = chance.uniform(low, high, (steps, 3)).astype(np.float32)
        if KINDS[kind] == "put":
            places[:, 2] = HEIGHTS[world.config.thing]
        return Plan(kind, *(torch.from_numpy(values) for values in (drift, grips, places)))

    def play(
        self, world: ArmWorld, seeds: Sequence[int], moments: int
    ) -> tuple[Float[Tensor, "b t k"], Float[Tensor, "b u a"]]:
        """The states and actions of an episode for each seed; each is the same whatever the others are."""
        plans = [self.plan(world, seed, moments - 1) for seed in seeds]
        kinds = torch.tensor([plan.kind for plan in plans])
        drift = torch.stack([plan.drift for plan in plans])
        grips = torch.stack([plan.grips for plan in plans])
        places = torch.stack([plan.places for plan in plans])
        states, actions = [world.start(torch.tensor(seeds))], list[Tensor]()
        episodes, visited = torch.arange(len(seeds)), torch.zeros(len(seeds), dtype=torch.int64)
        for step in range(moments - 1):
            goes_on = _is_done(world, kinds, states[-1], places[episodes, visited])
            visited = (visited + goes_on).clamp(max=moments - 2)
            action = _script(world, kinds, states[-1], places[episodes, visited])
            action[:, :6] += drift[:, step] * world.high[:6]
            action[:, 6] = torch.where(grips[:, step].isnan(), action[:, 6], grips[:, step])
            actions.append(torch.minimum(torch.maximum(action, world.low), world.high))
            states.append(world.step(states[-1], actions[-1]))
        return torch.stack(states, dim=1), torch.stack(actions, dim=1)


class Plan(NamedTuple):
    """What chance does to an episode: its kind, noise on moves and turns (shares of the longest), what the gripper does
    instead (or nan), and places to go to."""

    kind: int
    drift: Float[Tensor, "u 6"]
    grips: Float[Tensor, "u"]
    places: Float[Tensor, "u 3"]


def collect(world: ArmWorld, policy: ArmPolicy, seeds: Sequence[int], moments: int) -> Iterator[dict[str, np.ndarray]]:
    """An episode for each seed: frames [t h w 3], actions [t-1 7], proprio [t 7], states [t k].

    Raises ValueError for less than two moments, and engine.NoCanvas where nothing can be drawn.
    """
    if moments < 2:
        raise ValueError(f"an episode has two moments or more, got {moments}")
    for first in range(0, len(seeds), _TOGETHER):
        for states, actions in zip(*policy.play(world, seeds[first : first + _TOGETHER], moments), strict=True):
            yield {
                "frames": world.render(states).numpy(),
                "actions": actions.numpy(),
                "proprio": world.proprio(states).numpy(),
                "states": states.numpy(),
            }


def _script(
    world: ArmWorld, kinds: Int[Tensor, "b"], states: Float[Tensor, "b k"], places: Float[Tensor, "b 3"]
) -> Float[Tensor, "b a"]:
    """What an episode of each kind would do without noise. Those that wander lean to the middle, and upright."""
    middle = torch.tensor([(low + high) / 2 for low, high in WORKSPACE])
    wanders = torch.zeros(len(states), 7)
    wanders[:, :6] = _LEANING * torch.cat([middle - hand_of(states), -states[:, 3:6]], dim=1)
    errands = [choose_actions(world.config, errand, states, places) for errand in ("put", "carry", "reach")]
    return torch.stack([*errands, wanders])[kinds, torch.arange(len(states))]


def _is_done(
    world: ArmWorld, kinds: Int[Tensor, "b"], states: Float[Tensor, "b k"], places: Float[Tensor, "b 3"]
) -> Bool[Tensor, "b"]:
    """Whether to go on to the next place: the hand is near, or has risen from what it has put down."""
    near = torch.tensor([-1.0, 0.06, 0.03, -1.0])
    left = is_placed(world.config, states, places) & (hand_of(states)[:, 2] > HEIGHTS[world.config.thing] + _HIGH)
    return torch.where(kinds == 0, left, length(hand_of(states) - places) < near[kinds])
