"""Policies that act without planning: what was cloned from data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import Observation
from jepakit.planning.control import Planning, Timing, moved
from jepakit.planning.policies import GoalActor, Moments, Observe


@runtime_checkable
class Acting(Protocol):
    """A network that says what to do next, seeing where it is and where to go: `methods.cloning`."""

    def act(self, now: Observation, goal: Observation) -> Float[Tensor, "b w"]: ...


@dataclass(frozen=True)
class ClonedPolicy:
    """Does what the network says, for as many steps as its actions stand for (`timing.skip`)."""

    network: Acting
    observe: Observe
    timing: Timing
    device: torch.device | str = "cpu"
    name: str = "behavior cloning"
    planning: Planning | None = None

    def begin(self, goals: Moments, seeds: Sequence[int]) -> GoalActor:
        """Looks at the goals, once."""
        wanted = moved(self.observe(goals, self.timing), self.device)

        def act(moments: Moments) -> Float[Tensor, "b e a"]:
            told = self.network.act(moved(self.observe(moments, self.timing), self.device), wanted)
            return self.timing.undone(told.cpu())

        return act
