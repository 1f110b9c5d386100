"""Any optimizer of Nevergrad as a planner: for comparisons, and for costs that nothing else gets right."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator

from jepakit.planning.actions import ActionSpace, Box, require_box
from jepakit.planning.planner import Best, CostsOf, Plan, Planner, finite, require_horizon


@dataclass(frozen=True, kw_only=True)
class Nevergrad(Planner):
    """An optimizer of https://facebookresearch.github.io/nevergrad by its name, one for each episode.

    It is asked for `samples` candidates at a time, `iterations` times. Slower than our own planners, for it thinks
    in Python, candidate by candidate. Needs the extra `nevergrad`; its NGOpt (1.0.12) fails under NumPy 2.4.
    """

    optimizer: str = "CMA"
    samples: int = 100
    iterations: int = 30

    def __post_init__(self) -> None:
        if self.samples < 1 or self.iterations < 1:
            raise ValueError(f"samples and iterations are 1 or more, got {self.samples} and {self.iterations}")

    @torch.no_grad()
    def plan(
        self,
        costs_of: CostsOf,
        space: ActionSpace,
        horizon: int,
        generators: Sequence[Generator],
        start: Plan | None = None,
    ) -> Plan:
        """The best candidate that was seen. Raises ImportError without nevergrad, ValueError for an unknown name."""
        box = require_box(space, self)
        require_horizon(horizon, generators, start, box.width)
        begin = box.center.expand(len(generators), horizon, -1) if start is None else box.project(start.actions)
        searched = box.radius > 0
        searches = [self._search(box, rows[:, searched], draw) for rows, draw in zip(begin, generators, strict=True)]
        best = Best()
        for _ in range(self.iterations):
            asked = [[search.ask() for _ in range(self.samples)] for search in searches]
            candidates = begin.unsqueeze(1).repeat(1, self.samples, 1, 1)
            values = np.stack([np.stack([answer.value for answer in answers]) for answers in asked])
            candidates[..., searched] = torch.from_numpy(values).float()
            candidates = box.project(candidates)
            costs = finite(costs_of(candidates), candidates)
            best.see(candidates, costs)
            for search, answers, told in zip(searches, asked, costs.tolist(), strict=True):
                for answer, cost in zip(answers, told, strict=True):
                    search.tell(answer, cost)
        return best.plan()

    def _search(self, box: Box, begin: torch.Tensor, generator: Generator) -> Any:
        """An optimizer of its own for one episode, seeded by the episode's generator."""
        try:
            nevergrad = importlib.import_module("nevergrad")
        except ImportError as error:
            raise ImportError(f"this planner needs Nevergrad ({error}): pip install 'jepakit[nevergrad]'") from None
        if self.optimizer not in nevergrad.optimizers.registry:
            raise ValueError(f"Nevergrad has no optimizer {self.optimizer!r}; try CMA or TwoPointsDE")
        searched = box.radius > 0
        low, high = (torch.tensor(bound)[searched].expand_as(begin).numpy() for bound in (box.low, box.high))
        space = nevergrad.p.Array(init=begin.numpy().copy()).set_bounds(low, high, full_range_sampling=False)
        seed = int(torch.randint(2**31, (), generator=generator))
        space.random_state = np.random.RandomState(seed)
        budget = self.samples * self.iterations
        return nevergrad.optimizers.registry[self.optimizer](space, budget=budget, num_workers=self.samples)
