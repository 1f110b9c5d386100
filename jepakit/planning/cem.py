"""The cross-entropy method: draw candidates, keep the best, draw around those; and iCEM, which wastes less."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from jepakit.planning.actions import ActionSpace, Box, require_box
from jepakit.planning.noise import draw_noise
from jepakit.planning.planner import Best, CostsOf, Plan, Planner, finite, require_horizon


@dataclass(frozen=True, kw_only=True)
class CEM(Planner):
    """Rubinstein's cross-entropy method over sequences of actions, for costs that need no gradient.

    Candidates are drawn from a Gaussian per number and kept inside of the space; mean and deviation move to those of
    the elites. `spread` and `least_spread` are deviations in half widths of the box, at the start and at least.
    `momentum` is what is kept of the old mean and deviation. The mean itself is a candidate. An episode whose
    deviations are all below `tolerance` (in half widths) is done.

    Of iCEM (Pinneri et al. 2020, 2008.06389): `color` of the noise along the plan, `reused` elites (a share) that are
    candidates again in the next iteration and, moved on, in the next plan, and `shrink`: the number of candidates is
    divided by it in each iteration. Here the color fades to white in the first half of the search, for colored noise
    has too little of the high frequencies to get them right at the end.
    """

    samples: int = 300
    elites: int = 30
    iterations: int = 30
    spread: float = 0.5
    least_spread: float = 0.0
    momentum: float = 0.0
    color: float = 0.0
    reused: float = 0.0
    shrink: float = 1.0
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.elites <= self.samples:
            raise ValueError(f"elites are among the samples: 1 to {self.samples} of them, got {self.elites}")
        if self.iterations < 1:
            raise ValueError(f"a search has 1 iteration or more, got {self.iterations}")
        if min(self.spread, self.least_spread, self.tolerance, self.color) < 0:
            raise ValueError(f"spread, least_spread, tolerance and color are 0 or more: {self}")
        if not 0 <= self.momentum < 1 or not 0 <= self.reused <= 1:
            raise ValueError(f"momentum is in [0, 1) and reused in [0, 1], got {self.momentum} and {self.reused}")
        if self.shrink < 1:
            raise ValueError(f"shrink divides the number of samples and is 1 or more, got {self.shrink}")

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
        deviation = (self.spread * box.radius).expand_as(mean)
        elites = None if start is None else start.ideas
        best, active = Best(), torch.ones(len(generators), dtype=torch.bool)
        for iteration in range(self.iterations):
            candidates = self._draw(box, mean, deviation, generators, iteration, elites)
            costs = finite(costs_of(candidates), candidates)
            best.see(candidates, costs, active)
            elites, found = best_of(candidates, costs, self.elites)
            mean, deviation = self._move(mean, deviation, elites, active, active & (found >= min(2, self.elites)), box)
            if self.tolerance:
                active &= (deviation > self.tolerance * box.radius).flatten(1).any(dim=1)
                if not bool(active.any()):
                    break
        return best.plan(elites)

    def _draw(
        self,
        box: Box,
        mean: Float[Tensor, "b h a"],
        deviation: Float[Tensor, "b h a"],
        generators: Sequence[Generator],
        iteration: int,
        elites: Float[Tensor, "b e h a"] | None,
    ) -> Float[Tensor, "b s h a"]:
        """The mean, elites of before, and as many new candidates as make the number full."""
        count = max(round(self.samples / self.shrink**iteration), 2 * self.elites)
        count = min(count, self.samples)
        color = self.color * max(1 - 2 * iteration / self.iterations, 0)
        noise = draw_noise((count, mean.shape[1], mean.shape[2]), generators, color)
        candidates = box.project(noise.mul_(deviation.unsqueeze(1)).add_(mean.unsqueeze(1)))
        candidates[:, 0] = box.project(mean)
        again = min(round(self.reused * self.elites), count - 1)
        if elites is not None and again:
            kept = elites[:, :again]
            candidates[:, 1 : 1 + kept.shape[1]] = kept
        return candidates

    def _move(
        self,
        mean: Float[Tensor, "b h a"],
        deviation: Float[Tensor, "b h a"],
        elites: Float[Tensor, "b e h a"],
        active: Bool[Tensor, "b"],
        spread: Bool[Tensor, "b"],
        box: Box,
    ) -> tuple[Float[Tensor, "b h a"], Float[Tensor, "b h a"]]:
        """Towards the elites, in episodes that are not done; the deviation where elites are enough to have one."""
        variance, center = torch.var_mean(elites, dim=1, correction=0)
        wide = variance.sqrt_().lerp(deviation, self.momentum).maximum(self.least_spread * box.radius)
        moving, known = active[:, None, None], spread[:, None, None]
        return torch.where(moving, center.lerp(mean, self.momentum), mean), torch.where(known, wide, deviation)


ICEM = CEM(iterations=40, momentum=0.5, color=1.0, reused=0.3)
"""The parts of iCEM with numbers that reach the optimum of a linear system within 1 %, as all planners here do.

Those of the paper (appendix: momentum 0.1, color 2 and more, 10 elites, shrink 1.25, a few iterations) are ten times as
fast, for replanning at every step; a single plan of theirs ends far from the optimum.
"""


def best_of(
    candidates: Float[Tensor, "b s h a"], costs: Float[Tensor, "b s"], count: int
) -> tuple[Float[Tensor, "b e h a"], Int[Tensor, "b"]]:
    """The best `count` candidates, and how many of them there are: those of infinite cost are none.

    Where they are too few, they stand there again, the best first.
    """
    found = costs.topk(count, largest=False)
    finite = found.values.isfinite().sum(dim=1)
    places = torch.arange(count) % finite.unsqueeze(1)
    return take(candidates, found.indices.gather(1, places)), finite


def take(candidates: Float[Tensor, "b s h a"], places: Tensor) -> Float[Tensor, "b e h a"]:
    """The candidates at `places` [b e]."""
    return candidates[torch.arange(len(candidates)).unsqueeze(1), places]
