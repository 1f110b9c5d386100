"""Policies that act without planning: what was cloned from data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import Observation
from jepakit.planning.control import Planning, Timing
from jepakit.planning.policies import GoalActor, Moments, Observe


@runtime_checkable
class Acting(Protocol):
    """A network that says what to do next, seeing where it is and where to go: `rivals.gcbc`."""

    def act(self, now: Observation, goal: Observation) -> Float[Tensor, "b w"]: ...


@dataclass(frozen=True)
class ClonedPolicy:
    """Does what the network says, for as many steps as its actions stand for (`timing.skip`)."""

    network: Acting
    observe: Observe
    timing: Timing
    name: str = "behavior cloning"
    planning: Planning | None = None

    def begin(self, goals: Moments, seeds: Sequence[int]) -> GoalActor:
        """Looks at the goals, once."""
        wanted = self.observe(goals, self.timing)

        def act(moments: Moments) -> Float[Tensor, "b e a"]:
            told = self.network.act(self.observe(moments, self.timing), wanted)
            return self.timing.undone(told)

        return act
