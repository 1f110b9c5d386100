"""What is known after a few labels: many draws of them, and no other label is looked at, not even to choose."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import torch
from jaxtyping import Float, Int
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from jepakit.config import Config
from jepakit.probes.logistic import STRENGTHS, regressions
from jepakit.probes.result import Outcome, Result, conclude
from jepakit.probes.splits import balanced
from jepakit.probes.subject import Subject, Table, answers

FEW_LABELS, FEW_DRAWS, MANY_DRAWS = 100, 5, 20


@dataclass(frozen=True, kw_only=True)
class PerClass(Config):
    """The same number of labels of every class: 12 is what 1 % of ImageNet-1k comes to (I-JEPA, 2301.08243, 4.1)."""

    labels: int = 12

    def per_class(self, labels: Int[Tensor, "n"]) -> int:
        """The number of labels of a class."""
        return self.labels

    @property
    def name(self) -> str:
        return f"{self.labels}"


@dataclass(frozen=True, kw_only=True)
class Share(Config):
    """A share of the training labels, dealt evenly to the classes, but never fewer than `at_least` of a class."""

    share: float = 0.01
    at_least: int = 5

    def per_class(self, labels: Int[Tensor, "n"]) -> int:
        """The number of labels of a class."""
        return max(round(self.share * len(labels) / len(labels.unique())), self.at_least)

    @property
    def name(self) -> str:
        return f"{100 * self.share:g}%"


@dataclass(frozen=True, kw_only=True)
class LowShot(Config):
    """Logistic regression on a few labels, a balanced draw of them at a time; the mean over the draws is reported.

    View and C are chosen by cross-validation within the drawn labels. Features are standardized with the statistics of
    the whole training split, which need no labels. Unless given, `draws` is five, or 20 where a draw has fewer than
    100 labels.
    """

    amount: PerClass | Share = field(default_factory=PerClass)
    draws: int | None = None
    strengths: tuple[float, ...] = STRENGTHS
    folds: int = 3
    iterations: int = 300

    def __post_init__(self) -> None:
        if self.draws is not None and self.draws < 2:
            raise ValueError(f"the interval of a low-shot probe needs at least 2 draws, got {self.draws}")
        if self.folds < 2:
            raise ValueError(f"cross-validation needs at least 2 folds, got {self.folds}")

    @property
    def name(self) -> str:
        return f"lowshot{self.amount.name}"

    def measure(self, subject: Subject, seed: int) -> Result:
        """The mean test accuracy over draws seeded with `seed`, `seed` + 1, ...

        Raises ValueError where a class has fewer labels than there are folds.
        """
        started = perf_counter()
        tables = [table.standardized() for table in subject.tables]
        seeds = range(seed, seed + repetitions(self.draws, len(self.drawn(answers(tables[0].train), seed))))
        outcomes = [self._outcome(tables, each) for each in seeds]
        return conclude(self, subject, outcomes, seeds, started)

    def drawn(self, labels: Int[Tensor, "n"], seed: int) -> Int[Tensor, "k"]:
        """Which samples give their label away in the draw of this seed."""
        rows = balanced(labels, self.amount.per_class(labels), torch.Generator().manual_seed(seed))
        if int(labels[rows].unique(return_counts=True)[1].min()) < self.folds:
            raise ValueError(
                f"a class has fewer labels than the {self.folds} folds that C is chosen by; label more of it"
            )
        return rows

    def _outcome(self, tables: Sequence[Table], seed: int) -> Outcome:
        rows = self.drawn(answers(tables[0].train), seed)
        labels = answers(tables[0].train)[rows]
        chosen = [(table, *self._choose(table.train.x[rows], labels, seed)) for table in tables]
        table, strength, score = max(chosen, key=lambda found: found[2])
        fitted = next(regressions(table.train.x[rows], labels, (strength,), self.iterations))
        return Outcome(
            correct=fitted.predict(table.test.x) == answers(table.test),
            labels=len(rows),
            labels_to_choose=0,
            chosen={"view": table.view, "C": strength, "cross_validation": score, "converged": fitted.converged},
            chosen_on=f"{self.folds}-fold cross-validation within the drawn labels",
        )

    def _choose(self, x: Float[Tensor, "k d"], labels: Int[Tensor, "k"], seed: int) -> tuple[float, float]:
        """The value of C with the best accuracy over all folds (the strongest penalty of equals), and that accuracy."""
        right = torch.zeros(len(self.strengths), dtype=torch.double)
        for known, asked in StratifiedKFold(self.folds, shuffle=True, random_state=seed).split(
            x.numpy(), labels.numpy()
        ):
            fitted = regressions(x[known], labels[known], self.strengths, self.iterations)
            right += torch.stack([(each.predict(x[asked]) == labels[asked]).double().sum() for each in fitted])
        best = int(right.argmax())
        return sorted(self.strengths)[best], right[best].item() / len(x)


def repetitions(given: int | None, labels: int) -> int:
    """How many draws of `labels` labels: as given, or five, or 20 where the draws are small and differ much."""
    return given or (MANY_DRAWS if labels < FEW_LABELS else FEW_DRAWS)
