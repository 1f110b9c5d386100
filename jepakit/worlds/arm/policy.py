"""What the arm does while data are collected: errands by script, with noise and failures, and plain wandering."""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import World
from jepakit.worlds.arm.expert import choose_actions, is_placed
from jepakit.worlds.arm.scene import HEIGHTS
from jepakit.worlds.arm.tasks import hand_of, length
from jepakit.worlds.arm.world import MIDDLE, ArmWorld, draw_places
from jepakit.worlds.chance import normals, seeds_of, uniforms
from jepakit.worlds.policies import Actor

Kind = Literal["put", "carry", "reach", "wander"]
KINDS: tuple[Kind, ...] = ("put", "carry", "reach", "wander")
_LASTS = 0.7
"""How much of the noise of a step is left in the next: a hand drifts, it does not tremble."""
_WANDERING, _WANDERING_SLIPS, _LEANING, _TURNING = 0.6, 3, 0.15, 0.4
_HIGH = 0.13
"""So far above the table, the hand has gone away from what it put there."""
_EPISODE, _DRIFT, _SLIPS, _PLACES = range(11, 15)
"""What sets the draws of this policy apart from each other, and from those of others."""


@dataclass(frozen=True, kw_only=True)
class ArmPolicy(Config):
    """A `policies.Policy` whose episodes are each of one kind; it never sees what a task has as its goal.

    `shares` are those of `KINDS`: to fetch the thing and put it down at some place, to carry it about, to move the hand
    from place to place, and to move at random. `noise` is the deviation of actions in shares of the longest one, on
    average over episodes: some have none, some twice as much. With the chance `slip`, a step does something else with
    the gripper. Things are dropped, pushed over and lost: a model has to know that, too.
    """

    shares: tuple[float, float, float, float] = (0.45, 0.2, 0.15, 0.2)
    noise: float = 0.15
    slip: float = 0.03

    def __post_init__(self) -> None:
        if min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares of {', '.join(KINDS)} are 0 or more and add up to 1, got {self.shares}")
        if self.noise < 0 or not 0 <= self.slip <= 1:
            raise ValueError(f"noise is 0 or more and slip a chance, got {self.noise} and {self.slip}")

    def begin(self, world: World, seeds: Int[Tensor, "b"]) -> Actor:
        """Raises ValueError in a world without the arm."""
        if not isinstance(world, ArmWorld):
            raise ValueError(f"an ArmPolicy moves the arm of Arm7, not {type(world).__name__}; take another policy")
        return _ArmActor(self, world, seeds)

    def kinds(self, seeds: Int[Tensor, "b"]) -> Int[Tensor, "b"]:
        """Which of `KINDS` the episode of each seed is of."""
        draws = uniforms(seeds_of(_EPISODE, seeds), 1, 0)[:, 0]
        ends = torch.tensor(self.shares).cumsum(dim=0)
        return torch.searchsorted(ends, draws, right=True).clamp(max=len(KINDS) - 1)


@dataclass
class _ArmActor:
    """Episodes that are going on: how noisy each is, where it drifts to, and how many places it has been to."""

    policy: ArmPolicy
    world: ArmWorld
    seeds: Int[Tensor, "b"]
    moment: int = 0
    kinds: Int[Tensor, "b"] = field(init=False)
    noise: Float[Tensor, "b"] = field(init=False)
    drift: Float[Tensor, "b 6"] = field(init=False)
    visits: Int[Tensor, "b"] = field(init=False)
    places: Float[Tensor, "b 3"] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = self.policy.kinds(self.seeds)
        share = uniforms(seeds_of(_EPISODE, self.seeds), 1, 1)[:, 0]
        self.noise = torch.where(self._wanders, _WANDERING, 2 * share * self.policy.noise)
        self.drift = normals(seeds_of(_DRIFT, self.seeds), 6, 0)
        self.visits = torch.zeros_like(self.seeds)
        self.places = self._draw_places()

    def __call__(self, states: Float[Tensor, "b k"]) -> Float[Tensor, "b a"]:
        if self.moment:
            fresh = normals(seeds_of(_DRIFT, self.seeds), 6, self.moment)
            self.drift = _LASTS * self.drift + math.sqrt(1 - _LASTS**2) * fresh
        self.visits = self.visits + self._is_done(states)
        self.places = self._draw_places()
        actions = self._script(states)
        drift = self.drift * self.noise[:, None] * torch.tensor([1.0] * 3 + [_TURNING] * 3)
        actions[:, :6] += drift * self.world.high[:6]
        chance, grip = uniforms(seeds_of(_SLIPS, self.seeds), 2, self.moment).unbind(dim=1)
        slips = chance < self.policy.slip * torch.where(self._wanders, _WANDERING_SLIPS, 1)
        actions[:, 6] = torch.where(slips, 2 * grip - 1, actions[:, 6])
        self.moment += 1
        return actions

    @property
    def _wanders(self) -> Bool[Tensor, "b"]:
        return self.kinds == KINDS.index("wander")

    def _draw_places(self) -> Float[Tensor, "b 3"]:
        """Where each episode is to go now; a thing is put on the table."""
        places = draw_places(seeds_of(_PLACES, self.seeds) + self.visits)
        puts = self.kinds == KINDS.index("put")
        places[:, 2] = torch.where(puts, HEIGHTS[self.world.config.thing], places[:, 2])
        return places

    def _script(self, states: Float[Tensor, "b k"]) -> Float[Tensor, "b a"]:
        """What each episode would do without noise. Those that wander lean to the middle, and upright."""
        wanders = torch.zeros(len(states), 7)
        wanders[:, :6] = _LEANING * torch.cat([torch.tensor(MIDDLE) - hand_of(states), -states[:, 3:6]], dim=1)
        config = self.world.config
        errands = [choose_actions(config, errand, states, self.places) for errand in ("put", "carry", "reach")]
        return torch.stack([*errands, wanders])[self.kinds, torch.arange(len(states))]

    def _is_done(self, states: Float[Tensor, "b k"]) -> Bool[Tensor, "b"]:
        """Whether to go on to the next place: the hand is near, or has risen from what it has put down."""
        config, hand = self.world.config, hand_of(states)
        left = is_placed(config, states, self.places) & (hand[:, 2] > HEIGHTS[config.thing] + _HIGH)
        near = torch.tensor([-1.0, 0.06, 0.03, -1.0])[self.kinds]
        return torch.where(self.kinds == KINDS.index("put"), left, length(hand - self.places) < near)
