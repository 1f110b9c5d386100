"""Planners for choices: the cross-entropy method over probabilities, and beam search."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.planning.actions import ActionSpace, Choices, require_choices
from jepakit.planning.cem import best_of, take
from jepakit.planning.planner import Best, CostsOf, Plan, Planner, finite, require_horizon


@dataclass(frozen=True, kw_only=True)
class CategoricalCEM(Planner):
    """The cross-entropy method for choices: the chance of each choice at each step moves to its share of the elites.

    `momentum` is what is kept of the old chances, `least` what every choice keeps at least. A plan to start with gets
    the chance `trust`, the rest is spread evenly. The likeliest sequence is a candidate. An episode in which every
    step has a choice likelier than 1 - `tolerance` is done.
    """

    samples: int = 200
    elites: int = 20
    iterations: int = 10
    momentum: float = 0.1
    least: float = 0.01
    trust: float = 0.5
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.elites <= self.samples:
            raise ValueError(f"elites are among the samples: 1 to {self.samples} of them, got {self.elites}")
        if self.iterations < 1:
            raise ValueError(f"a search has 1 iteration or more, got {self.iterations}")
        if not all(0 <= share < 1 for share in (self.momentum, self.least, self.trust, self.tolerance)):
            raise ValueError(f"momentum, least, trust and tolerance are in [0, 1): {self}")

    @torch.no_grad()
    def plan(
        self,
        costs_of: CostsOf,
        space: ActionSpace,
        horizon: int,
        generators: Sequence[Generator],
        start: Plan | None = None,
    ) -> Plan:
        """The best sequence that was seen. Raises ValueError for a box, or where no cost is finite."""
        choices = require_choices(space, self)
        require_horizon(horizon, generators, start, choices.width)
        chances = torch.full((len(generators), horizon, choices.count), 1 / choices.count)
        if start is not None:
            chances = chances.lerp(start.actions, self.trust)
        best, elites = Best(), None
        active = torch.ones(len(generators), dtype=torch.bool)
        for _ in range(self.iterations):
            candidates = self._draw(choices, chances, generators)
            costs = finite(costs_of(candidates), candidates)
            best.see(candidates, costs, active)
            elites, _ = best_of(candidates, costs, self.elites)
            moved = elites.mean(dim=1).lerp(chances, self.momentum).lerp(torch.ones(()) / choices.count, self.least)
            chances = torch.where(active[:, None, None], moved, chances)
            active &= (chances.amax(dim=-1) <= 1 - self.tolerance).any(dim=1)
            if not bool(active.any()):
                break
        return best.plan(elites)

    def _draw(
        self, choices: Choices, chances: Float[Tensor, "b h n"], generators: Sequence[Generator]
    ) -> Float[Tensor, "b s h n"]:
        """Candidates by their chances; the first is the likeliest."""
        shape = (self.samples, chances.shape[1], 1)
        even = torch.stack([torch.rand(shape, generator=generator) for generator in generators])
        drawn = (even >= chances.cumsum(dim=-1).unsqueeze(1)).sum(dim=-1).clamp(max=choices.count - 1)
        drawn[:, 0] = chances.argmax(dim=-1)
        return choices.told(drawn)


@dataclass(frozen=True, kw_only=True)
class Beam(Planner):
    """Beam search: of all beginnings of a plan, the `width` best ones are gone on with, choice by choice.

    Beginnings are imagined anew at each step, for a model may need all it has seen to go on: that costs half the
    horizon as much again per step, and is right for any model. It draws nothing at random. With a width of all but the
    last choices it tries everything.
    """

    width: int = 16

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"a beam holds 1 beginning or more, got {self.width}")

    @torch.no_grad()
    def plan(
        self,
        costs_of: CostsOf,
        space: ActionSpace,
        horizon: int,
        generators: Sequence[Generator],
        start: Plan | None = None,
    ) -> Plan:
        """The best sequence; its trace is the cost of the best beginning after each step.

        A plan to start with is one of the candidates at the end. Raises ValueError for a box.
        """
        choices = require_choices(space, self)
        require_horizon(horizon, generators, start, choices.width)
        beams = torch.zeros(len(generators), 1, 0, choices.count)
        trace = []
        for step in range(horizon):
            candidates = self._longer(beams, choices)
            if start is not None and step == horizon - 1:
                candidates = torch.cat([candidates, start.actions.unsqueeze(1)], dim=1)
            costs = finite(costs_of(candidates), candidates)
            found = costs.topk(min(self.width, costs.shape[1]), largest=False)
            beams = take(candidates, found.indices)
            trace.append(found.values[:, 0])
        return Plan(beams[:, 0], trace[-1], torch.stack(trace), beams)

    def _longer(self, beams: Float[Tensor, "b w t n"], choices: Choices) -> Float[Tensor, "b m u n"]:
        """Every beginning with every choice behind it."""
        next_ones = torch.eye(choices.count).repeat(beams.shape[1], 1).expand(len(beams), -1, -1)
        return torch.cat([beams.repeat_interleave(choices.count, dim=1), next_ones.unsqueeze(2)], dim=2)
