"""The rank verb: which of several runs, or of their checkpoints, to take, told without labels."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import torch
from scipy import stats

from jepakit import pretrained
from jepakit.app.device import open_device
from jepakit.app.examination import choose, read_levels
from jepakit.app.measure import probe_called
from jepakit.app.report.record import Record, read_record
from jepakit.app.report.wording import title_of
from jepakit.app.samples import samples_of
from jepakit.config import Config
from jepakit.contracts import Transform
from jepakit.methods.dynamics import DynamicsJEPA
from jepakit.methods.multiview import MultiView
from jepakit.parts.targets import EMATarget
from jepakit.pretrained.networks import build_empty
from jepakit.probes.splits import Labeled, Splits
from jepakit.probes.subject import Subject
from jepakit.train.checkpoint import folders, write_aside
from jepakit.train.log import read_run
from jepakit.train.run import Run
from jepakit.train.watch import draw_views

Score = Literal["loss", "rankme", "lidar"]
SCORES: tuple[Score, ...] = ("loss", "rankme", "lidar")
ProbeWord = Literal["knn", "linear"]
FEWEST = 3
"""Of fewer rows no order can be told from another."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to rank by, and on how much."""

    by: Score = "rankme"
    """What to sort by, the best first."""
    checkpoints: bool = False
    """A row for every checkpoint that was kept, not only for the newest one."""
    probe: ProbeWord | None = None
    """Measure this with labels, too, and how well each score agrees with it."""
    samples: int = 256
    """Samples to measure on, spread over the data."""
    views: int = 4
    """Views of each sample."""
    tail: float = 0.05
    """The share of a run's steps over which loss terms are averaged, for single steps are noisy."""
    seed: int = 0
    """Of the probe."""

    def __post_init__(self) -> None:
        if self.samples < 3 or self.views < 2:
            raise ValueError(f"ranks need 3 samples of 2 views, got {self.samples} of {self.views}")
        if not 0 < self.tail <= 1:
            raise ValueError(f"tail is a share of the steps in (0, 1], got {self.tail}")


@dataclass(frozen=True)
class Row:
    """One checkpoint of one run. `terms` are as they were logged, and `probe` is an accuracy on test samples.

    `loss` is the sum of the terms under the weights of the first run: None where nothing was logged, or where losses
    cannot be compared.
    """

    run: str
    step: int
    method: str
    loss: float | None
    terms: Mapping[str, float]
    rankme: float
    lidar: float
    alpha_req: float
    probe: float | None

    def merit(self, score: Score) -> float | None:
        """A score as a number of which more is better."""
        match score:
            case "loss":
                return None if self.loss is None else -self.loss
            case "rankme":
                return self.rankme
            case "lidar":
                return self.lidar


@dataclass(frozen=True)
class Ranking:
    """The rows, the best first, and what has to be known to read them."""

    asked: Asked
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **asdict(self.asked),
            "rows": [asdict(row) for row in self.rows],
            "spearman": spearman(self.rows),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Entrant:
    """A run that is ranked. `weights` are those that its loss terms were multiplied by."""

    folder: Path
    run: Run
    record: Record
    weights: Mapping[str, float]
    kind: tuple[str, ...]
    moving: bool

    @classmethod
    def read(cls, folder: Path, trusted: bool) -> "Entrant":
        """The run in a folder. Raises ValueError if it holds none."""
        run, record = read_run(folder, trusted), read_record(folder)
        method = build_empty(run.model)
        target, compare = getattr(method, "target", None), getattr(method, "compare", None)
        root = getattr(run.data, "root", "")
        kind = (title_of(run.model), type(target).__name__, getattr(compare, "__name__", type(compare).__name__), root)
        return cls(folder, run, record, weights_of(method), kind, isinstance(target, EMATarget))

    def terms(self, step: int, tail: float) -> dict[str, float]:
        """The mean of each logged term over the last steps until `step`; empty where none was logged."""
        first = step - max(tail * self.record.steps, 1)
        before = [line for line in self.record.log if line["step"] <= step]
        lines = [line for line in before if line["step"] > first] or before[-1:]
        return {name: fmean(line["terms"][name] for line in lines) for name in lines[0]["terms"]} if lines else {}

    def loss(self, terms: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
        """The sum of terms as it would be under other weights, so that all runs answer the same question."""
        if not terms or weights.keys() - terms.keys():
            return None
        return sum(value * (weights[name] / self.weights[name] if name in weights else 1)
                   for name, value in terms.items())  # fmt: skip


def weights_of(method: Any) -> dict[str, float]:
    """What a method multiplies its terms by, those of them that are asked for; empty where weights are not settings."""
    match method:
        case MultiView(regularizer=None):
            return {}
        case MultiView(weights=(prediction, regularizer)):
            pairs = {"prediction": prediction, "regularizer": regularizer}
            return {name: weight for name, weight in pairs.items() if weight}
        case DynamicsJEPA(regularizer=regularizer, weight=weight) if regularizer is not None and weight:
            return {"regularizer": weight}
    return {}


def rank(
    runs: Sequence[Path],
    asked: Asked,
    root: str | None = None,
    out: Path | None = None,
    device: str = "cpu",
    trusted: bool = False,
) -> Ranking:
    """Ranks runs and writes the ranking as JSON to `out`, or to ranking.json beside the first run.

    All are measured on the same samples and views, those of the first run's data (or at `root`), each through its own
    transform. Files among the folders (an older ranking in runs/*) are passed over. Raises ValueError with one sentence
    for what is no run, for pictures beside videos, for losses of different methods, and where labels are missing that a
    probe needs.
    """
    runs = [path for path in runs if not path.is_file()]
    if not runs or (len(runs) < 2 and not asked.checkpoints):
        raise ValueError(f"one run has no rank: name two or more, or compare its --checkpoints ({len(runs)} given)")
    entrants = [Entrant.read(folder, trusted) for folder in runs]
    _require_one_kind(entrants)
    first, differ = entrants[0], difference(entrants)
    if differ and asked.by == "loss":
        raise ValueError(f"losses cannot be compared, for the runs differ in {differ}; rank them --by rankme or lidar")
    place = open_device(device)
    rows = [row for entrant in entrants for row in _measure(entrant, first, asked, root, place, trusted)]
    if differ:
        rows = [replace(row, loss=None) for row in rows]
    if asked.by == "loss" and (without := [row.run for row in rows if row.loss is None]):
        raise ValueError(f"{without[0]} logged no loss, or not all of its terms; rank these runs --by rankme or lidar")
    ranked = sorted(rows, key=lambda row: -(row.merit(asked.by) or 0.0))
    ranking = Ranking(asked, tuple(ranked), tuple(_notes(entrants, differ)))
    where = out or runs[0].parent / "ranking.json"
    where.parent.mkdir(parents=True, exist_ok=True)
    write_aside(where, json.dumps(ranking.to_json(), indent=1) + "\n")
    return ranking


def _require_one_kind(entrants: Sequence[Entrant]) -> None:
    """Raises ValueError where some runs take pictures and others clips: no samples can be shown to both."""
    first, *others = entrants
    for other in others:
        ours, theirs = (type(getattr(each.run.data, "transform", None)).__name__ for each in (first, other))
        if ours != theirs:
            raise ValueError(
                f"{first.folder} and {other.folder} take samples of different kinds ({ours} and {theirs}), "
                f"and a rank is told on the same samples for all; rank runs on pictures and runs on videos apart"
            )


def difference(entrants: Sequence[Entrant]) -> str:
    """Why losses of these runs are not about the same thing; empty if they are."""
    for place, word in enumerate(("method", "target", "energy", "data")):
        if len(found := dict.fromkeys(entrant.kind[place] for entrant in entrants)) > 1:
            return f"{word} ({', '.join(found)})"
    return ""


def _notes(entrants: Sequence[Entrant], differ: str) -> Iterator[str]:
    first = entrants[0]
    if differ:
        yield f"losses are not shown, for the runs differ in {differ}"
    elif any(entrant.weights != first.weights for entrant in entrants):
        told = ", ".join(f"{name} {weight:g}" for name, weight in first.weights.items())
        yield f"weights of the terms differ; every loss is told under those of {first.record.folder.name} ({told})"
    if not differ and len({entrant.run.batch for entrant in entrants}) > 1:
        yield "batches differ in size, on which terms that look at the whole batch depend"
    if any(entrant.moving for entrant in entrants):
        yield "an average answers, which learns, too: a lower loss may mean answers that are easier to guess"


def _measure(
    entrant: Entrant, first: Entrant, asked: Asked, root: str | None, device: torch.device, trusted: bool
) -> Iterator[Row]:
    whole = folders(entrant.folder) if asked.checkpoints else [choose(entrant.folder, None)]
    if not whole:
        raise ValueError(f"{entrant.folder} is a run without a checkpoint yet; wait for its first step-* folder")
    for source in whole:
        step, backbone = int(source.name[5:]), pretrained.load(source, trusted=trusted).to(device)
        data: Any = same_samples(first.run.data, root, backbone.transform, str(first.folder))
        views = draw_views(data.build(), asked.samples, asked.views).to(device)
        meters, terms = read_levels(backbone, views, only_last=True)[0], entrant.terms(step, asked.tail)
        yield Row(
            run=entrant.folder.name,
            step=step,
            method=entrant.kind[0],
            loss=entrant.loss(terms, first.weights),
            terms=terms,
            rankme=meters["rank_me"],
            lidar=meters["lidar"],
            alpha_req=meters["alpha_req"],
            probe=None if asked.probe is None else _probe(asked.probe, entrant, backbone, data, asked.seed),
        )


def same_samples(data: Config, root: str | None, transform: Transform | None, source: str) -> Config:
    """The data that all are measured on, made into what one backbone takes."""
    if root is not None or isinstance(data, Labeled):
        return samples_of(data, root, transform, source)  # pyright: ignore[reportReturnType]
    own = transform is not None and "transform" in {field.name for field in fields(data)}
    return replace(data, transform=transform) if own else data  # pyright: ignore[reportCallIssue]


def _probe(word: ProbeWord, entrant: Entrant, backbone: Any, data: Any, seed: int) -> float:
    if not isinstance(data, Labeled):
        raise ValueError(f"a probe needs labels, and {type(data).__name__} has no labeled parts; give --data.root")
    return probe_called(word).measure(Subject(entrant.folder.name, backbone, Splits.of(data)), seed).value


def spearman(rows: Sequence[Row]) -> dict[Score, float]:
    """How well each score orders the rows as the probe does, from -1 to 1; a loss counts as better where it is lower.

    A score is left out that some row does not have or that is the same for all, and all of them without a probe or for
    fewer than 3 rows.
    """
    found: dict[Score, float] = {}
    probes = [row.probe for row in rows if row.probe is not None]
    if len(probes) < max(len(rows), FEWEST) or len(set(probes)) < 2:
        return found
    for score in SCORES:
        merits = [merit for row in rows if (merit := row.merit(score)) is not None]
        if len(merits) == len(rows) and len(set(merits)) > 1:
            found[score] = float(stats.spearmanr(merits, probes).statistic)  # pyright: ignore[reportAttributeAccessIssue]
    return found
