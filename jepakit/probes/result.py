"""What a probe found, with everything that is needed to judge it: interval, splits, choice, and files that failed."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Bool
from scipy import stats
from torch import Tensor

from jepakit.probes.census import Census
from jepakit.probes.subject import Subject

BEST_ON_TEST = "best_of_grid_on_test"
"""In what was chosen, a figure that was chosen by looking at the answer: said beside a result, never as the result."""


@runtime_checkable
class Probe(Protocol):
    """Asks a subject what it knows. Any Config with these may be given to the suite."""

    @property
    def name(self) -> str:
        """What stands in the table."""
        ...

    def measure(self, subject: Subject, seed: int) -> "Result": ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Result:
    """One probe on one subject (a backbone, a randomly initialised one, raw pixels): one number on the test split.

    `low` and `high` bound a 95 % interval made as `interval` says; `values` are the single numbers under `value`, one
    for each of `seeds`. `labels` counts the labels that a head was fitted on, and `labels_to_choose` those of the split
    of the training data on which `chosen` was chosen, as `chosen_on` says (empty where nothing was chosen).
    """

    probe: str
    subject: str
    value: float
    low: float
    high: float
    interval: str
    values: tuple[float, ...]
    seeds: tuple[int, ...]
    splits: Mapping[str, int]
    labels: int
    labels_to_choose: int
    chosen: Mapping[str, Any]
    chosen_on: str
    unreadable: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, Any]
    seconds: float
    metric: str = "accuracy"
    others: Mapping[str, float] = field(default_factory=dict)
    """Further figures of the same head on the test split, by name; files of older versions have none."""
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each split, a sentence for each of its unreadable samples; files of older versions have none."""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.value, self.low, self.high, *self.values))):
            raise ValueError(f"the probe {self.probe} of {self.subject} gave {self.value} [{self.low}, {self.high}]")

    def to_json(self) -> dict[str, Any]:
        """Plain values; the number of unreadable files stands beside their names."""
        return {**asdict(self), "unreadable_count": sum(map(len, self.unreadable.values()))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Result":
        """The Result that `to_json` wrote. Raises ValueError if a field is missing."""
        names = {field.name for field in fields(cls)}
        data = {"others": {}, "reasons": {}, **data}
        if missing := sorted(names - data.keys()):
            raise ValueError(f"a probe result lacks {', '.join(missing)}; probe the backbone again")
        listed = {
            name: {split: tuple(failed) for split, failed in data[name].items()} for name in ("unreadable", "reasons")
        }
        tuples = {name: tuple(data[name]) for name in ("values", "seeds")}
        return cls(**{**{name: data[name] for name in names}, **tuples, **listed})


def wilson(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count` trials (Wilson 1927)."""
    bounds = stats.binomtest(correct, count).proportion_ci(confidence_level=0.95, method="wilson")
    return float(bounds.low), float(bounds.high)


def over_repeats(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of `values` (Student's t over draws or seeds)."""
    if len(values) < 2:
        raise ValueError(f"an interval over repetitions needs at least 2 of them, got {len(values)}")
    mean = sum(values) / len(values)
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return mean - half, mean + half


@dataclass(frozen=True)
class Outcome:
    """One fitted head on the test split, what was chosen for it by looking at what, and how many labels that took."""

    correct: Bool[Tensor, "m"]
    labels: int
    labels_to_choose: int
    chosen: Mapping[str, Any]
    chosen_on: str

    @property
    def accuracy(self) -> float:
        return self.correct.double().mean().item()


def conclude(
    probe: Probe,
    subject: Subject,
    outcomes: Sequence[Outcome],
    seeds: Sequence[int],
    started: float,
    census: Census | None = None,
) -> Result:
    """The Result of one fitted head, or of several that differ in the draw of their labels or in their seed.

    `started` is the reading of `time.perf_counter` at the beginning; `census` the subject's, unless given.
    """
    census = census or subject.census
    values, first = tuple(outcome.accuracy for outcome in outcomes), outcomes[0]
    if len(outcomes) == 1:
        low, high = wilson(int(first.correct.sum()), len(first.correct))
        interval, chosen = "Wilson over the test samples", first.chosen
    else:
        low, high = over_repeats(values)
        interval = f"Student's t over {len(values)} repetitions"
        chosen = {"each": [dict(outcome.chosen) for outcome in outcomes]}
    return Result(
        probe=probe.name,
        subject=subject.name,
        value=sum(values) / len(values),
        low=low,
        high=high,
        interval=interval,
        values=values,
        seeds=tuple(seeds),
        splits=census.sizes,
        labels=first.labels,
        labels_to_choose=first.labels_to_choose,
        chosen=chosen,
        chosen_on=first.chosen_on,
        unreadable=census.unreadable,
        reasons=census.reasons,
        settings=probe.to_json(),
        seconds=perf_counter() - started,
    )


def write(results: Sequence[Result], path: Path) -> None:
    """`results` as a JSON list; a reader sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps([result.to_json() for result in results], indent=1, allow_nan=False) + "\n")
    os.replace(beside, path)


def read(path: Path) -> list[Result]:
    """What `write` wrote. Raises ValueError for a file of something else."""
    try:
        rows = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not a file of probe results: {error}") from None
    if not isinstance(rows, list):
        raise ValueError(f"{path} should hold a list of probe results, it holds a {type(rows).__name__}")
    return [Result.from_json(row) for row in rows]
