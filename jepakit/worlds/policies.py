"""Who acts while data are collected: for many episodes at once, and each one a function of its seed.

A policy knows the true state, which models never see. What it needs a world to know, a Protocol says.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import World
from jepakit.worlds.chance import normals, seeds_of, uniforms


@runtime_checkable
class Actor(Protocol):
    """A policy in the middle of some episodes: it is asked once at each moment, in order."""

    def __call__(self, states: Float[Tensor, "b k"]) -> Float[Tensor, "b a"]: ...


@runtime_checkable
class Policy(Protocol):
    """How to act in a world. `begin` starts an episode for each seed; they know nothing of each other."""

    def begin(self, world: World, seeds: Int[Tensor, "b"]) -> Actor: ...


@runtime_checkable
class Rooms(World, Protocol):
    """A world of which it is known who is in which room."""

    def room(self, states: Float[Tensor, "*s k"]) -> Int[Tensor, "*s"]: ...


@runtime_checkable
class Guided(World, Protocol):
    """A world that knows a way: `guide` says the next action, `elsewhere` draws another goal in the same place."""

    def guide(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Float[Tensor, "*s a"]: ...

    def elsewhere(self, states: Float[Tensor, "b k"], seeds: Int[Tensor, "b"]) -> Float[Tensor, "b k"]: ...


@dataclass(frozen=True, kw_only=True)
class Uniform(Config):
    """Any action of the box, each as likely, kept for `hold` steps."""

    hold: int = 1

    def __post_init__(self) -> None:
        if self.hold < 1:
            raise ValueError(f"hold counts the steps that an action is kept for, at least one, got {self.hold}")

    def begin(self, world: World, seeds: Int[Tensor, "b"]) -> Actor:
        return _UniformActor(self, world, seeds)


@dataclass(frozen=True, kw_only=True)
class RandomWalk(Config):
    """A walk in the plane that goes on as it went: after PLDM's walks with a bias (2502.14819, section 4).

    At each step, its heading turns by a normal number of `turn` radians (standard deviation) or, with a chance `renew`,
    is any other; lengths are uniform from `shortest` to 1, times the longest. With `confined`, steps that would leave a
    room are taken backwards, or not at all: no episode passes a door.
    """

    turn: float = 0.4
    renew: float = 0.1
    shortest: float = 0.4
    confined: bool = False

    def __post_init__(self) -> None:
        if not (self.turn >= 0 and 0 <= self.renew <= 1 and 0 <= self.shortest <= 1):
            raise ValueError(f"turn is a standard deviation, renew a chance and shortest a share, got {self}")

    def begin(self, world: World, seeds: Int[Tensor, "b"]) -> Actor:
        """Raises ValueError in a world that is not a plane, or has no rooms to be confined to."""
        if len(world.low) != 2:
            raise ValueError(f"a RandomWalk is one of two numbers, actions here have {len(world.low)}; take Uniform")
        if self.confined and not isinstance(world, Rooms):
            raise ValueError(f"{type(world).__name__} has no rooms, so confined=True means nothing there")
        return _Walker(self, world, seeds)


@dataclass(frozen=True, kw_only=True)
class Expert(Config):
    """Somebody who knows the way, and goes it with `noise` (a share of the longest action) on every number.

    There is a new goal when one is reached, and after `patience` steps.
    """

    noise: float = 0.5
    patience: int = 60

    def __post_init__(self) -> None:
        if self.noise < 0 or self.patience < 1:
            raise ValueError(f"noise is a share, and patience is at least one step, got {self}")

    def begin(self, world: World, seeds: Int[Tensor, "b"]) -> Actor:
        """Raises ValueError in a world that knows no way."""
        if not isinstance(world, Guided):
            raise ValueError(f"{type(world).__name__} knows no way, so it has no Expert; take Uniform or RandomWalk")
        return _Guide(self, world, seeds)


@dataclass(frozen=True, kw_only=True)
class Mixture(Config):
    """Every episode is that of one of the policies, drawn with these chances (all alike, where there are none)."""

    policies: tuple[Uniform | RandomWalk | Expert, ...]
    chances: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.policies)
        chances = self.chances or (1.0,) * count
        if not count or len(chances) != count or min(chances) < 0 or not sum(chances):
            raise ValueError(f"a mixture has a policy or more, and as many chances or none, got {self}")

    def begin(self, world: World, seeds: Int[Tensor, "b"]) -> Actor:
        chances = torch.tensor(self.chances or (1.0,) * len(self.policies))
        draws = uniforms(seeds_of(_MIXTURE, seeds), 1, 0)[:, 0] * chances.sum()
        chosen = torch.searchsorted(chances.cumsum(dim=0), draws, right=True).clamp(max=len(chances) - 1)
        actors = [policy.begin(world, seeds) for policy in self.policies]
        return _Several(actors, chosen)


_UNIFORM, _WALK, _EXPERT, _MIXTURE = range(1, 5)
"""What sets the chance of a policy apart from that of worlds, and of others."""


class _UniformActor:
    def __init__(self, policy: Uniform, world: World, seeds: Int[Tensor, "b"]):
        self.hold, self.world, self.seeds = policy.hold, world, seeds_of(_UNIFORM, seeds)
        self.moment = 0

    def __call__(self, states: Float[Tensor, "b k"]) -> Float[Tensor, "b a"]:
        low, high = self.world.low, self.world.high
        draws = uniforms(self.seeds, len(low), self.moment // self.hold)
        self.moment += 1
        return low + draws * (high - low)


class _Walker:
    def __init__(self, policy: RandomWalk, world: World, seeds: Int[Tensor, "b"]):
        self.policy, self.world, self.seeds = policy, world, seeds_of(_WALK, seeds)
        self.heading = torch.zeros(len(seeds))
        self.moment = 0

    def __call__(self, states: Float[Tensor, "b k"]) -> Float[Tensor, "b a"]:
        policy = self.policy
        renewed, heading, share = uniforms(self.seeds, 3, 2 * self.moment).unbind(dim=1)
        turned = self.heading + policy.turn * normals(self.seeds, 1, 2 * self.moment + 1)[:, 0]
        renews = (renewed < policy.renew) | (self.moment == 0)
        self.heading = torch.where(renews, 2 * math.pi * heading, turned)
        self.moment += 1
        longest = self.world.longest or float(self.world.high.min())
        length = longest * (policy.shortest + share * (1 - policy.shortest))
        actions = length[:, None] * torch.stack([self.heading.cos(), self.heading.sin()], dim=1)
        return self._stay(states, actions) if policy.confined else actions

    def _stay(self, states: Float[Tensor, "b k"], actions: Float[Tensor, "b a"]) -> Float[Tensor, "b a"]:
        """The actions, turned back or dropped where they would lead out of the room."""
        backwards = torch.where(self._leaves(states, actions)[:, None], -actions, actions)
        leaves = self._leaves(states, backwards)[:, None]
        turned = (backwards != actions).any(dim=1)
        self.heading = self.heading + math.pi * turned
        return torch.where(leaves, 0.0, backwards)

    def _leaves(self, states: Float[Tensor, "b k"], actions: Float[Tensor, "b a"]) -> Tensor:
        assert isinstance(self.world, Rooms)
        return self.world.room(self.world.step(states, actions)) != self.world.room(states)


@dataclass
class _Guide:
    policy: Expert
    world: Guided
    seeds: Int[Tensor, "b"]
    moment: int = 0
    goals: Tensor | None = None
    since: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.seeds = seeds_of(_EXPERT, self.seeds)
        self.since = torch.zeros_like(self.seeds)

    def __call__(self, states: Float[Tensor, "b k"]) -> Float[Tensor, "b a"]:
        others = self.world.elsewhere(states, seeds_of(self.moment, self.seeds))
        if self.goals is None:
            self.goals = others
        renews = (self.since >= self.policy.patience) | self.world.solved(states, self.goals)
        self.goals = torch.where(renews[:, None], others, self.goals)
        self.since = torch.where(renews, 0, self.since) + 1
        actions = self.world.guide(states, self.goals)
        noise = normals(self.seeds, actions.shape[1], self.moment)
        self.moment += 1
        return actions + self.policy.noise * self.world.high * noise


class _Several:
    def __init__(self, actors: list[Actor], chosen: Int[Tensor, "b"]):
        self.actors, self.chosen = actors, chosen

    def __call__(self, states: Float[Tensor, "b k"]) -> Float[Tensor, "b a"]:
        actions = torch.stack([actor(states) for actor in self.actors])
        return actions[self.chosen, torch.arange(len(states))]
