"""The linear probe: one linear layer on frozen features, a whole grid of them trained at once, one of them reported."""

import itertools
from dataclasses import dataclass
from time import perf_counter

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from jepakit.config import Config
from jepakit.probes.result import Outcome, Result, conclude
from jepakit.probes.splits import minibatches
from jepakit.probes.subject import Subject, Table, answers
from jepakit.schedules import cosine


class LinearHeads(nn.Module):
    """h linear classifiers side by side, each with a learning rate and a weight decay of its own.

    All are stepped by one plain SGD of rate 1: a head of rate r stores its weights divided by sqrt(r), and a step of
    rate 1 on those is a step of rate r on the weights, with momentum too. Weights start at zero: there is no luck.
    """

    rates: Tensor
    decays: Tensor

    def __init__(self, dim: int, classes: int, rates: Float[Tensor, "h"], decays: Float[Tensor, "h"]) -> None:
        super().__init__()
        self.register_buffer("rates", rates)
        self.register_buffer("decays", decays)
        self.weight = nn.Parameter(torch.zeros(len(rates), dim, classes))
        self.bias = nn.Parameter(torch.zeros(len(rates), classes))

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b h c"]:
        """The logits of every head."""
        scale = self.rates.sqrt()
        weight = (self.weight * scale[:, None, None]).permute(1, 0, 2)
        return (x @ weight.flatten(1)).unflatten(1, weight.shape[1:]) + self.bias * scale[:, None]

    def penalty(self) -> Tensor:
        """What makes the gradient of each head that of SGD with its weight decay; biases are not decayed."""
        return 0.5 * (self.weight.square().sum((1, 2)) * self.rates * self.decays).sum()


@dataclass(frozen=True, kw_only=True)
class Linear(Config):
    """A linear layer on standardized features, trained by SGD; view, rate and decay are chosen on training data.

    Standardizing is what the BN of the paper's "BN + linear" does (I-JEPA, 2301.08243, appendix A.2).
    """

    rates: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    decays: tuple[float, ...] = (0.0, 1e-4, 1e-3)
    steps: int = 1500
    batch: int = 512
    momentum: float = 0.9

    @property
    def name(self) -> str:
        return "linear"

    def measure(self, subject: Subject, seed: int) -> Result:
        """The test accuracy of the one head, of all views, rates and decays, that is best on the validation split."""
        started = perf_counter()
        fitted = [self._fit(table.standardized(), seed) for table in subject.tables]
        table, heads, scores = max(fitted, key=lambda found: found[2].max().item())
        best = int(scores.argmax())
        rate, decay = self._grid()[best]
        outcome = Outcome(
            correct=predict(heads, table.test.x)[:, best] == answers(table.test),
            labels=len(table.train),
            labels_to_choose=len(table.validation),
            chosen={"view": table.view, "rate": rate, "decay": decay, "validation": scores.max().item()},
            chosen_on=subject.splits.chosen_on,
        )
        return conclude(self, subject, [outcome], [seed], started)

    def _grid(self) -> list[tuple[float, float]]:
        return list(itertools.product(self.rates, self.decays))

    def _fit(self, table: Table, seed: int) -> tuple[Table, LinearHeads, Float[Tensor, "h"]]:
        """The standardized table, heads trained on it, and the validation accuracy of each."""
        rates, decays = torch.tensor(self._grid()).unbind(dim=1)
        heads = LinearHeads(table.train.x.shape[1], table.classes, rates, decays)
        train(heads, table.train.x, answers(table.train), self, torch.Generator().manual_seed(seed))
        right = predict(heads, table.validation.x) == answers(table.validation)[:, None]
        return table, heads, right.double().mean(dim=0)


def train(
    heads: LinearHeads, x: Float[Tensor, "n d"], labels: Int[Tensor, "n"], settings: Linear, generator: Generator
) -> None:
    """SGD with momentum on the cross-entropy of every head; the rates fall to zero along a cosine."""
    optimizer = torch.optim.SGD(heads.parameters(), lr=1.0, momentum=settings.momentum)
    share = cosine(1.0, 0.0)
    for step, rows in enumerate(minibatches(len(x), settings.batch, settings.steps, generator)):
        for group in optimizer.param_groups:
            group["lr"] = share(step / settings.steps)
        logits = heads(x[rows])
        wanted = labels[rows, None].expand(logits.shape[:2])
        fit = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum") / len(rows)
        optimizer.zero_grad()
        (fit + heads.penalty()).backward()
        optimizer.step()


def predict(heads: LinearHeads, x: Float[Tensor, "n d"]) -> Int[Tensor, "n h"]:
    """The class that every head finds likeliest; -1 from a head whose rate was too high to stay finite."""
    with torch.inference_mode():
        logits = torch.cat([heads(part) for part in x.split(4096)])
        return torch.where(logits.isfinite().all(dim=-1), logits.argmax(dim=-1), -1)
