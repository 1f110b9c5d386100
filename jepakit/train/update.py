"""One step of the optimizer, from a batch on every rank to new weights."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from jepakit.contracts import Rows, step_at
from jepakit.train import optimize
from jepakit.train.batches import Batch
from jepakit.train.checkpoint import State
from jepakit.train.parallel import Spread
from jepakit.train.run import Run

SPIKE_WINDOW = 300
"""Steps whose losses a spike is compared to, as in V-JEPA 2.1."""
SPIKE_LEAST = 50
"""Fewer losses than these are no basis for calling one a spike."""


@dataclass(frozen=True)
class Outcome:
    """What a step gave: `terms` and `metrics` are this rank's share of the means over the global batch."""

    terms: Mapping[str, Tensor]
    metrics: Mapping[str, Tensor]
    samples: int
    rate: float
    decay: float


class Update:
    """Makes steps. Called alike, in the same order, on every rank."""

    def __init__(self, run: Run, spread: Spread, optimizer: torch.optim.AdamW, state: State) -> None:
        self.run, self.spread, self.optimizer, self.state = run, spread, optimizer, state

    def __call__(self, batch: Batch, counts: list[int]) -> Outcome | None:
        """The step on a batch of which the ranks hold `counts` samples.

        None if a rank has too few readable samples for its micro-batches, so that no step could be made.
        """
        index, run, place = self.state.done, self.run, self.spread.place
        self.state.done += 1
        if min(counts) < run.accumulate:
            self.state.skipped += 1
            return None
        rows = Rows(sum(counts[: place.rank]), counts[place.rank], sum(counts))
        moment = step_at(index, run.steps, rows, run.seed)
        rate, decay = optimize.set_progress(self.optimizer, run.optimizer, moment.progress)
        terms, metrics = self._differentiate(batch, rows)
        if run.skip_spikes is not None and self._is_spike(terms, run.skip_spikes):
            self.state.skipped += 1
        else:
            if run.clip is not None:
                # Shares of the ranks are summed when they are logged.
                metrics["gradient_norm"] = optimize.clip(self.optimizer, run.clip).double() / place.ranks
            self.optimizer.step()
            self.spread.rule.after_step(moment)
        self.optimizer.zero_grad(set_to_none=True)
        return Outcome(terms, metrics, rows.total, rate, decay)

    def _differentiate(self, batch: Batch, rows: Rows) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        terms: dict[str, Tensor] = {}
        metrics: dict[str, Tensor] = {}
        for part, (samples, some) in enumerate(batch.cut(self.run.accumulate, rows.first, rows.total)):
            step = step_at(self.state.done - 1, self.run.steps, some, self.run.seed)
            # Dropout and the like draw from PyTorch's own generator: a function of the step, as everything random.
            self.spread.place.seed(step.local.initial_seed())
            with self.spread.accumulating(last=part + 1 == self.run.accumulate):
                losses = self.spread.losses(samples, step)
                self.spread.backward(losses, some)
            add_share(terms, losses.terms, some)
            add_share(metrics, losses.metrics, some)
        return terms, metrics

    def _is_spike(self, terms: Mapping[str, Tensor], deviations: float) -> bool:
        loss = float(self.spread.place.sum(torch.stack(list(terms.values())).sum()))
        recent = self.state.recent
        spike = len(recent) >= SPIKE_LEAST and is_spike(loss, recent, deviations)
        # A spike is remembered, too: where losses have risen for good, the next ones are no spikes any more.
        self.state.recent = [*recent, loss][-SPIKE_WINDOW:] if math.isfinite(loss) else recent
        return spike


def is_spike(loss: float, recent: list[float], deviations: float) -> bool:
    """Whether a loss is so many standard deviations above the mean of the recent ones, or not a number."""
    limit = statistics.fmean(recent) + deviations * statistics.pstdev(recent)
    return not loss <= limit


def add_share(sums: dict[str, Tensor], values: Mapping[str, Tensor], rows: Rows) -> None:
    """Adds the share of some rows in the means over the global batch."""
    for name, value in values.items():
        share = value.detach().double() * (rows.count / rows.total)
        sums[name] = sums[name] + share if name in sums else share


def sum_over_ranks(outcome: Outcome, spread: Spread) -> tuple[dict[str, float], dict[str, float]]:
    """Terms and metrics of the global batch as numbers. This waits for the device."""
    values = [value.to(spread.place.device) for value in chain(outcome.terms.values(), outcome.metrics.values())]
    numbers = spread.place.sum(torch.stack(values)).tolist()
    return (
        dict(zip(outcome.terms, numbers, strict=False)),
        dict(zip(outcome.metrics, numbers[len(outcome.terms) :], strict=True)),
    )
