"""Logistic regression on frozen features: convex, so that nothing but its one strength has to be chosen."""

import functools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController
from torch import Tensor

from jepakit.config import Config
from jepakit.probes.result import Outcome, Result, conclude
from jepakit.probes.subject import Subject, Table, answers

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
ONE_THREAD = 10_000_000
"""Below so many numbers, threads wait for each other longer than they work: a hundred times so on a busy machine."""


@dataclass(frozen=True)
class Regression:
    """A fitted logistic regression; `strength` is scikit-learn's C, and a weak penalty has a large one."""

    weight: Float[Tensor, "d c"]
    bias: Float[Tensor, "c"]
    classes: Int[Tensor, "c"]
    strength: float
    converged: bool

    def predict(self, x: Float[Tensor, "m d"]) -> Int[Tensor, "m"]:
        """The likeliest class."""
        return self.classes[(x @ self.weight + self.bias).argmax(dim=1)]


def regressions(
    x: Float[Tensor, "n d"],
    labels: Int[Tensor, "n"],
    strengths: Sequence[float],
    iterations: int,
    start: Regression | None = None,
) -> Iterator[Regression]:
    """Regressions with weaker and weaker penalty, each started from the one before, the first one from `start`.

    With fewer samples than features the solution lies in the span of the samples, and it is sought there: exactly the
    same regression, at the cost of n instead of d features.
    """
    span = None
    if len(x) < x.shape[1]:
        span, coordinates = torch.linalg.qr(x.T)
        x = coordinates.T
    rows, wanted = x.numpy(), labels.numpy()
    model = LogisticRegression(max_iter=iterations, warm_start=True)
    if start is not None and span is None and len(start.classes) > 2:
        model.coef_, model.intercept_ = start.weight.T.numpy(), start.bias.numpy()
    for strength in sorted(strengths):
        model.set_params(C=strength)
        with warnings.catch_warnings():
            # A regression that was stopped early says so in `converged`.
            warnings.simplefilter("ignore", ConvergenceWarning)
            with _threads().limit(limits=1 if rows.size < ONE_THREAD else None):
                model.fit(rows, wanted)
        weight, bias = torch.tensor(model.coef_.T).to(x), torch.tensor(model.intercept_).to(x)
        if weight.shape[1] == 1:
            weight, bias = F.pad(weight, (1, 0)), F.pad(bias, (1, 0))
        yield Regression(
            weight=weight if span is None else span @ weight,
            bias=bias,
            classes=torch.tensor(model.classes_),
            strength=strength,
            converged=int(model.n_iter_.max()) < iterations,
        )


@functools.cache
def _threads() -> ThreadpoolController:
    """Finding the libraries that have threads takes longer than a small regression, so they are found once."""
    return ThreadpoolController()


@dataclass(frozen=True, kw_only=True)
class Logistic(Config):
    """L2-penalized logistic regression (scikit-learn's L-BFGS); view and strength are chosen on training data.

    `strengths` are values of scikit-learn's C, tried upwards, each from the solution of the one before, until
    validation gets worse: the weakest penalties would take the longest. They are tried on the first `choose_with`
    samples of a random order, for a strength stands for a prior, which does not depend on how much is seen.
    """

    strengths: tuple[float, ...] = STRENGTHS
    iterations: int = 300
    choose_with: int = 10_000

    def __post_init__(self) -> None:
        if not self.strengths:
            raise ValueError("a logistic regression needs at least one value of C in strengths, such as 0.01")

    @property
    def name(self) -> str:
        return "logistic"

    def measure(self, subject: Subject, seed: int) -> Result:
        """The test accuracy of the view and C that are best on validation. Nothing is random: `seed` is recorded."""
        started = perf_counter()
        tried = [self._choose(table.standardized()) for table in subject.tables]
        table, regression, score = max(tried, key=lambda found: found[2])
        if len(table.train) > self.choose_with:
            known = table.train
            regression = next(regressions(known.x, answers(known), (regression.strength,), self.iterations, regression))
        outcome = Outcome(
            correct=regression.predict(table.test.x) == answers(table.test),
            labels=len(table.train),
            labels_to_choose=len(table.validation),
            chosen={
                "view": table.view,
                "C": regression.strength,
                "validation": score,
                "converged": regression.converged,
            },
            chosen_on=subject.splits.chosen_on,
        )
        return conclude(self, subject, [outcome], [seed], started)

    def _choose(self, table: Table) -> tuple[Table, Regression, float]:
        """The standardized table, the regression on it that is best on validation, and its accuracy there."""
        rows = torch.randperm(len(table.train), generator=torch.Generator().manual_seed(0))[: self.choose_with]
        known, labels = table.train.x[rows], answers(table.train)[rows]
        best, best_score = None, -1.0
        for regression in regressions(known, labels, self.strengths, self.iterations):
            right = regression.predict(table.validation.x) == answers(table.validation)
            score = right.double().mean().item()
            if score < best_score:
                break
            if score > best_score:
                best, best_score = regression, score
        assert best is not None, "a Config without strengths was refused"
        return table, best, best_score
