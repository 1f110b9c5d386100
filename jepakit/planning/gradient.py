"""Down the gradient of the cost, through the imagination of the model, with any optimizer of PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.planning.actions import ActionSpace, Box, require_box
from jepakit.planning.planner import Best, CostsOf, Plan, Planner, finite, require_horizon


@dataclass(frozen=True, kw_only=True)
class Gradient(Planner):
    """Gradient descent on actions from `restarts` beginnings, projected on the space after each step.

    The first beginning is the plan to start with, or the middle of the space; then come its ideas, then random ones.
    `optimizer` names a class of torch.optim; `rate` is its step in half widths of the box. With an optimizer that
    works number by number (SGD, Adam, ...) an episode's plan does not depend on its batch; LBFGS makes one problem of
    all, so there it does.
    """

    optimizer: str = "Adam"
    rate: float = 0.05
    steps: int = 100
    restarts: int = 1

    def __post_init__(self) -> None:
        found = getattr(torch.optim, self.optimizer, None)
        if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
            raise ValueError(f"torch.optim has no optimizer {self.optimizer!r}; try Adam, SGD or LBFGS")
        if self.steps < 1 or self.restarts < 1:
            raise ValueError(f"steps and restarts are 1 or more, got {self.steps} and {self.restarts}")
        if not self.rate > 0:
            raise ValueError(f"rate must be above 0, got {self.rate}")

    def plan(
        self,
        costs_of: CostsOf,
        space: ActionSpace,
        horizon: int,
        generators: Sequence[Generator],
        start: Plan | None = None,
    ) -> Plan:
        """The best point that was passed. Raises ValueError for choices, and for costs without a gradient."""
        box = require_box(space, self)
        require_horizon(horizon, generators, start, box.width)
        best, center, radius = Best(), box.center, box.radius
        points = self._begin(box, horizon, generators, start)
        places = to_units(points, box).requires_grad_()
        optimizer = getattr(torch.optim, self.optimizer)([places], lr=self.rate)
        seen: list[Tensor] = []

        def descend() -> Tensor:
            optimizer.zero_grad()
            with torch.enable_grad():
                costs = costs_of(center + radius * places)
                total = costs.sum()
            if not total.requires_grad:
                raise ValueError("the cost has no gradient with regard to the actions; search with CEM or MPPI")
            seen.append(costs)
            places.grad = torch.autograd.grad(total, places)[0].nan_to_num(0.0, 0.0, 0.0)
            return total.detach()

        for _ in range(self.steps):
            seen.clear()
            optimizer.step(descend)
            best.see(points, finite(seen[0], points))
            with torch.no_grad():
                points = box.project(center + radius * places)
                places.copy_(to_units(points, box))
        with torch.no_grad():
            costs = finite(costs_of(points), points)
        best.see(points, costs)
        return best.plan(torch.take_along_dim(points, costs.argsort(dim=1)[..., None, None], dim=1))

    def _begin(
        self, box: Box, horizon: int, generators: Sequence[Generator], start: Plan | None
    ) -> Float[Tensor, "b r h a"]:
        """Where the descents begin."""
        drawn = torch.stack([box.draw((self.restarts, horizon), generator) for generator in generators])
        drawn[:, 0] = box.center if start is None else box.project(start.actions)
        if start is not None and start.ideas is not None:
            ideas = box.project(start.ideas[:, : self.restarts - 1])
            drawn[:, 1 : 1 + ideas.shape[1]] = ideas
        return drawn


def to_units(actions: Float[Tensor, "*s a"], box: Box) -> Float[Tensor, "*s a"]:
    """Actions in half widths of the box, counted from its middle, so that one rate fits all numbers."""
    return (actions - box.center) / box.radius.clamp(min=torch.finfo(torch.float32).tiny)
