"""The probe that learns nothing: a sample is what its nearest neighbors are."""

from dataclasses import dataclass
from time import perf_counter

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.probes.features import Encoder, Features, extract
from jepakit.probes.result import Outcome, Result, conclude
from jepakit.probes.splits import Labeled, Subset, balanced
from jepakit.probes.subject import Subject, answers


def classify(
    train: Float[Tensor, "n d"], labels: Int[Tensor, "n"], test: Float[Tensor, "m d"], k: int, temperature: float
) -> Int[Tensor, "m"]:
    """The class with the most votes among the `k` nearest rows of `train` by cosine, for each row of `test`.

    A neighbor of similarity s votes with exp(s / temperature), as in DINO (2104.14294, appendix; temperature 0.07).
    """
    k = min(k, len(train))
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    classes = int(labels.max()) + 1
    answers = []
    for part in test.split(1024):
        similarity, neighbor = (part @ train.T).topk(k, dim=1)
        votes = part.new_zeros(len(part), classes)
        # Relative to the nearest one, so that no vote overflows however small the temperature.
        votes.scatter_add_(1, labels[neighbor], ((similarity - similarity[:, :1]) / temperature).exp())
        answers.append(votes.argmax(dim=1))
    return torch.cat(answers)


@dataclass(frozen=True, kw_only=True)
class Knn(Config):
    """k nearest neighbors by cosine on the training split; the view (last level or last levels) is chosen."""

    k: int = 20
    temperature: float = 0.07
    every: int = 500
    """As an online probe: the number of steps between readings."""
    online_train: int = 4096
    online_validation: int = 1024

    @property
    def name(self) -> str:
        return "knn"

    def measure(self, subject: Subject, seed: int) -> Result:
        """The test accuracy of the view that is best on the validation split. Nothing is random: `seed` is recorded."""
        started = perf_counter()
        scores = [self.correct(table.train, table.validation).double().mean().item() for table in subject.tables]
        best = subject.tables[scores.index(max(scores))]
        outcome = Outcome(
            correct=self.correct(best.train, best.test),
            labels=len(best.train),
            labels_to_choose=len(best.validation) if len(scores) > 1 else 0,
            chosen={"view": best.view, "validation": max(scores)},
            chosen_on=subject.splits.chosen_on,
        )
        return conclude(self, subject, [outcome], [seed], started)

    def correct(self, train: Features, test: Features) -> Bool[Tensor, "m"]:
        """Which samples of `test` are told right by the neighbours in `train`."""
        found = classify(train.x, answers(train), test.x, self.k, self.temperature)
        return found == answers(test)

    def online(self, backbone: Encoder, data: Labeled, device: torch.device) -> dict[str, float]:
        """A reading while training: neighbors among some training samples, asked for some validation samples.

        Always the same samples, the same number of each class. Nothing is read where there are no labels.
        """
        train, held = data.split("train"), data.split("validation")
        if train is None or held is None:
            return {}
        known = extract(backbone, _some(train, self.online_train), device=device)
        asked = extract(backbone, _some(held, self.online_validation), device=device)
        return {"knn": self.correct(known, asked).double().mean().item()}


def _some(dataset: Dataset, count: int) -> Subset:
    labels = torch.as_tensor(dataset.labels)
    per_class = max(count // len(labels.unique()), 1)
    drawn = balanced(labels, per_class, torch.Generator().manual_seed(0))
    return Subset(dataset, drawn)
