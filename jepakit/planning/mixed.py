"""Search first, for the right valley; then down the gradient, to the bottom of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator

from jepakit.planning.actions import ActionSpace
from jepakit.planning.cem import CEM
from jepakit.planning.gradient import Gradient
from jepakit.planning.mppi import MPPI
from jepakit.planning.planner import CostsOf, Plan, Planner

SEARCH, REFINE = CEM(iterations=10), Gradient(rate=0.02, steps=60)


@dataclass(frozen=True, kw_only=True)
class Mixed(Planner):
    """Gradient descent from what a search found: from its best candidate, and from its ideas where it restarts."""

    search: CEM | MPPI = SEARCH
    refine: Gradient = REFINE

    def plan(
        self,
        costs_of: CostsOf,
        space: ActionSpace,
        horizon: int,
        generators: Sequence[Generator],
        start: Plan | None = None,
    ) -> Plan:
        """The best point of both; never worse than what the search found."""
        found = self.search.plan(costs_of, space, horizon, generators, start)
        refined = self.refine.plan(costs_of, space, horizon, generators, found)
        better = refined.cost < found.cost
        return Plan(
            torch.where(better[:, None, None], refined.actions, found.actions),
            torch.minimum(refined.cost, found.cost),
            torch.cat([found.trace, torch.minimum(refined.trace, found.cost)]),
            refined.ideas,
        )
