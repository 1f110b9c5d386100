"""Who pursues goals in a world: what is planned, what is random, and what each of them gets to see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from jepakit.contracts import Observation, Transform, World
from jepakit.planning.actions import ActionSpace
from jepakit.planning.control import Controller, Planning, Timing
from jepakit.planning.planner import generators_for


@dataclass(frozen=True)
class Moments:
    """All that happened in b episodes up to now: t states of the world, and the actions between them as they were done.

    Pictures are drawn when somebody looks. Who is not allowed to know the states does not read them.
    """

    world: World
    states: Float[Tensor, "b t k"]
    actions: Float[Tensor, "b u a"]

    def last(self, count: int, every: int = 1) -> Float[Tensor, "b c k"]:
        """The newest states, `every` so many moments, the newest one last; as many as there are, `count` at most."""
        return self.states.flip(1)[:, ::every][:, :count].flip(1)

    def pictures(self, count: int, every: int = 1) -> UInt8[Tensor, "b c h w d"]:
        """Pictures of these."""
        states = self.last(count, every)
        return self.world.render(states.flatten(0, 1)).unflatten(0, states.shape[:2])


Observe = Callable[[Moments, Timing], Observation]
"""What a model gets to see of what happened."""


@dataclass(frozen=True)
class Pictures:
    """Looks at the last `window` pictures, as many steps apart as the model imagines at a time; feels the body, too."""

    transform: Transform
    window: int = 1

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"a window has 1 picture or more, got {self.window}")

    def __call__(self, moments: Moments, timing: Timing) -> Observation:
        pictures = moments.pictures(self.window, timing.skip)
        rows = [self.transform(picture.permute(2, 0, 1)) for picture in pictures.flatten(0, 1)]
        x = torch.stack(rows).unflatten(0, pictures.shape[:2]).transpose(1, 2)
        felt = moments.world.proprio(moments.last(self.window, timing.skip))
        between = (pictures.shape[1] - 1) * timing.skip
        actions = timing.told_of(moments.actions[:, -between:]) if between else None
        return Observation(x, felt if felt.shape[-1] else None, actions)


@dataclass(frozen=True)
class States:
    """Knows the state of the world, and looks at no picture: for `simulated.Simulated`."""

    def __call__(self, moments: Moments, timing: Timing) -> Observation:
        newest = moments.last(1)
        return Observation(newest.new_zeros(len(newest), 0, 1, 0, 0), newest)


@runtime_checkable
class GoalActor(Protocol):
    """A policy on its way to the goals of some episodes. It gives the next actions, as many as it likes, at least 1."""

    def __call__(self, moments: Moments) -> Float[Tensor, "b e a"]: ...


@runtime_checkable
class GoalPolicy(Protocol):
    """How to get to goals. `begin` sets out in an episode for each seed; they know nothing of each other.

    `goals` are moments, too: those that are to be reached, one of each episode. `planning` are the numbers of a policy
    that plans, None otherwise.
    """

    @property
    def name(self) -> str: ...

    @property
    def planning(self) -> Planning | None: ...

    def begin(self, goals: Moments, seeds: Sequence[int]) -> GoalActor: ...


@dataclass(frozen=True)
class PlanningPolicy:
    """Pursues goals by planning with a model that sees what `observe` shows it."""

    controller: Controller
    observe: Observe
    name: str = "planning"

    @property
    def planning(self) -> Planning:
        """The numbers that it plans by."""
        return self.controller.planning

    def begin(self, goals: Moments, seeds: Sequence[int]) -> GoalActor:
        """Encodes the goals, once."""
        pursuit = self.controller.begin(self.observe(goals, self.planning.timing), seeds)
        return lambda moments: pursuit(self.observe(moments, self.planning.timing))


@dataclass(frozen=True)
class RandomPolicy:
    """Any action of the space, each kept for `hold` steps: what no policy should be worse than."""

    space: ActionSpace
    hold: int = 1
    name: str = "random"
    planning: Planning | None = None

    def begin(self, goals: Moments, seeds: Sequence[int]) -> GoalActor:
        """Looks at nothing."""
        generators = generators_for(seeds)

        def act(moments: Moments) -> Float[Tensor, "b e a"]:
            drawn = torch.stack([self.space.draw((1,), generator) for generator in generators])
            return drawn.expand(-1, self.hold, -1)

        return act
