"""What every planner takes and gives: costs of candidates in, a plan for each episode out.

Shape letters: b episodes, s candidates, h steps of a plan, a numbers of an action, e elites, i iterations.
Planners think on the CPU, where a few numbers are best off; models may be anywhere (`control` moves them).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from jepakit.config import Config
from jepakit.planning.actions import ActionSpace

CostsOf = Callable[[Float[Tensor, "b s h a"]], Float[Tensor, "b s"]]
"""How bad each of s sequences of actions is in each of b episodes. Sequences may be shorter than a plan."""


@dataclass(frozen=True)
class Plan:
    """What to do in each episode, what it is expected to cost, and the least cost found by the end of each iteration.

    `ideas` are other good candidates, best first: what a later search may begin with.
    """

    actions: Float[Tensor, "b h a"]
    cost: Float[Tensor, "b"]
    trace: Float[Tensor, "i b"]
    ideas: Float[Tensor, "b e h a"] | None = None

    def later(self, steps: int, space: ActionSpace) -> "Plan":
        """The same plan when `steps` of it are done: the rest moves up, and the last action goes on."""
        if steps < 0:
            raise ValueError(f"a plan is moved on by 0 steps or more, got {steps}")
        ideas = None if self.ideas is None else space.project(_moved(self.ideas, steps))
        return Plan(space.project(_moved(self.actions, steps)), self.cost, self.trace, ideas)


def _moved(actions: Float[Tensor, "*s h a"], steps: int) -> Float[Tensor, "*s h a"]:
    horizon = actions.shape[-2]
    place = torch.arange(steps, steps + horizon).clamp(max=horizon - 1)
    return actions[..., place, :]


@dataclass(frozen=True, kw_only=True)
class Planner(Config, ABC):
    """Searches for actions of low cost. One generator per episode, so that a plan does not depend on its batch."""

    @abstractmethod
    def plan(
        self,
        costs_of: CostsOf,
        space: ActionSpace,
        horizon: int,
        generators: Sequence[Generator],
        start: Plan | None = None,
    ) -> Plan:
        """A plan of `horizon` steps for each generator; `start` is where to begin: an earlier plan, moved on."""


class Best:
    """The best candidate of each episode that was seen so far, and how its cost fell."""

    def __init__(self) -> None:
        self.actions: Tensor | None = None
        self.cost: Tensor | None = None
        self._trace: list[Tensor] = []

    def see(
        self,
        candidates: Float[Tensor, "b s h a"],
        costs: Float[Tensor, "b s"],
        active: Bool[Tensor, "b"] | None = None,
    ) -> None:
        """Looks at an iteration; episodes that are not `active` keep what they have."""
        cost, place = costs.min(dim=1)
        found = candidates[torch.arange(len(candidates)), place]
        if self.actions is None or self.cost is None:
            self.actions, self.cost = found.clone(), cost.clone()
        else:
            better = cost < self.cost
            if active is not None:
                better &= active
            self.actions = torch.where(better[:, None, None], found, self.actions)
            self.cost = torch.where(better, cost, self.cost)
        self._trace.append(self.cost)

    def plan(self, ideas: Float[Tensor, "b e h a"] | None = None) -> Plan:
        """The best of all."""
        if self.actions is None or self.cost is None:
            raise ValueError("no candidate was seen, so there is no best one")
        return Plan(self.actions, self.cost, torch.stack(self._trace), ideas)


def finite(costs: Tensor, candidates: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
    """The costs, those that are no number as infinitely bad.

    Raises ValueError where there is not one cost per candidate, or an episode has no candidate of finite cost.
    """
    if costs.shape != candidates.shape[:2]:
        raise ValueError(f"{tuple(candidates.shape[:2])} candidates need as many costs, got {tuple(costs.shape)}")
    costs = torch.nan_to_num(costs.detach(), nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
    if not bool(costs.isfinite().any(dim=1).all()):
        raise ValueError("no candidate of an episode has a finite cost; look at what the model imagines, and the cost")
    return costs


def require_horizon(horizon: int, generators: Sequence[Generator], start: Plan | None, width: int) -> None:
    """Raises ValueError for a horizon below 1, or a start of another size."""
    if horizon < 1 or not generators:
        raise ValueError(f"a plan has 1 step or more for 1 episode or more, got {horizon} and {len(generators)}")
    wanted = (len(generators), horizon, width)
    if start is not None and start.actions.shape != wanted:
        raise ValueError(f"the plan to begin with has sizes {tuple(start.actions.shape)}, this one {wanted}")


def generators_for(seeds: Sequence[int], call: int = 0) -> list[Generator]:
    """One generator per episode: a function of its seed and of how many plans were made before, and of nothing else."""
    mixed = [(seed * 6364136223846793005 + call * 1442695040888963407 + 1) % 2**63 for seed in seeds]
    return [torch.Generator().manual_seed(seed) for seed in mixed]
