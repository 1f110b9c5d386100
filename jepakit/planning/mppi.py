"""Model predictive path integral control: all candidates count, the better ones exponentially more."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.planning.actions import ActionSpace, require_box
from jepakit.planning.noise import draw_noise
from jepakit.planning.planner import Best, CostsOf, Plan, Planner, finite, require_horizon


@dataclass(frozen=True, kw_only=True)
class MPPI(Planner):
    """MPPI (Williams et al. 2017, 1707.02342), iterated: the plan moves to the mean of noisy copies of itself, weighted
    by exp(-cost / temperature).

    `spread` is the deviation of the noise in half widths of the box, multiplied by `cooling` after each iteration; 1
    is the rule as published, less lets the plan settle. `temperature` counts in deviations of an episode's costs, so
    that it does not depend on their unit (our choice). `color`: see `noise`.
    """

    samples: int = 300
    iterations: int = 30
    spread: float = 0.5
    cooling: float = 0.85
    temperature: float = 0.2
    color: float = 0.0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.iterations < 1:
            raise ValueError(f"samples and iterations are 1 or more, got {self.samples} and {self.iterations}")
        if min(self.spread, self.color) < 0:
            raise ValueError(f"spread and color are 0 or more, got {self.spread} and {self.color}")
        if not 0 < self.cooling <= 1:
            raise ValueError(f"cooling multiplies the spread and is in (0, 1], got {self.cooling}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")

    @torch.no_grad()
    def plan(
        self,
        costs_of: CostsOf,
        space: ActionSpace,
        horizon: int,
        generators: Sequence[Generator],
        start: Plan | None = None,
    ) -> Plan:
        """The best candidate that was seen. Raises ValueError for choices, or where no cost is finite."""
        box = require_box(space, self)
        require_horizon(horizon, generators, start, box.width)
        mean = box.center.expand(len(generators), horizon, -1) if start is None else start.actions
        best = Best()
        for iteration in range(self.iterations):
            deviation = self.spread * self.cooling**iteration * box.radius
            noise = draw_noise((self.samples, horizon, box.width), generators, self.color)
            candidates = box.project(noise.mul_(deviation).add_(mean.unsqueeze(1)))
            candidates[:, 0] = box.project(mean)
            costs = finite(costs_of(candidates), candidates)
            best.see(candidates, costs)
            mean = (self._weights(costs)[..., None, None] * candidates).sum(dim=1)
        return best.plan()

    def _weights(self, costs: Float[Tensor, "b s"]) -> Float[Tensor, "b s"]:
        """How much each candidate counts; equally where all cost the same."""
        counted = costs.isfinite()
        above = costs - costs.amin(dim=1, keepdim=True)
        mean = torch.where(counted, above, 0).sum(dim=1, keepdim=True) / counted.sum(dim=1, keepdim=True)
        apart = torch.where(counted, above - mean, 0).square().sum(dim=1, keepdim=True)
        deviation = (apart / counted.sum(dim=1, keepdim=True)).sqrt()
        scale = (self.temperature * deviation).clamp(min=torch.finfo(costs.dtype).tiny)  # not 0, denormals or none
        return torch.softmax(-above / scale, dim=1)
