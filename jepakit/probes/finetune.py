"""What labels make of a backbone when all of it may learn; from random weights, this is supervised training."""

import copy
from dataclasses import dataclass, replace
from time import perf_counter

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.probes.census import Census, Counted
from jepakit.probes.features import Encoder, Pixels, device_of, first_readable
from jepakit.probes.lowshot import PerClass, Share, repetitions
from jepakit.probes.result import Outcome, Result, conclude
from jepakit.probes.splits import Subset, balanced, stratified
from jepakit.probes.subject import Subject
from jepakit.probes.training import answered, decay_groups, descend, seeded, stream, told_right

SHARE_OF_FEW_TO_CHOOSE = 0.25


class Classifier(nn.Module):
    """A backbone and a linear layer on the mean of its tokens, or on all raw pixels side by side."""

    def __init__(self, backbone: Encoder | None, sample: Float[Tensor, "1 ..."], classes: int) -> None:
        super().__init__()
        self.encoder = Pixels(sample.shape[1]) if backbone is None else copy.deepcopy(backbone)
        self.flat = backbone is None
        width = sample.numel() if backbone is None else backbone.dim
        self.head = nn.Linear(width, classes).to(device_of(self.encoder))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        # An averaged target that is kept as the backbone takes no gradients, but its copy shall learn.
        self.requires_grad_(True)

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b k"]:
        tokens = self.encoder(x)
        return self.head(tokens.values.flatten(1) if self.flat else tokens.pooled())


@dataclass(frozen=True, kw_only=True)
class FineTune(Config):
    """A copy of the backbone and a linear head, trained end to end by AdamW on augmented samples.

    With an `amount`, on as many labels only: five draws of them, or 20 of fewer than 100 labels, unless `draws` is
    given. Of several `rates` the best is chosen: on the validation split, or on a quarter of the few labels, after
    which all of them are trained on.
    """

    amount: PerClass | Share | None = None
    rates: tuple[float, ...] = (1e-3,)
    decay: float = 0.05
    warmup: float = 0.1
    """The share of the steps in which the rate rises."""
    steps: int = 1000
    batch: int = 128
    draws: int | None = None

    def __post_init__(self) -> None:
        if not self.rates:
            raise ValueError("fine-tuning needs at least one learning rate in rates, such as 0.001")

    @property
    def name(self) -> str:
        return "finetune" if self.amount is None else f"finetune{self.amount.name}"

    def measure(self, subject: Subject, seed: int) -> Result:
        """The test accuracy of the fine-tuned copy; the mean over draws where labels are drawn or `draws` given."""
        started, whole = perf_counter(), subject.splits
        draws = self.draws or 1
        if self.amount is not None:
            labels = torch.as_tensor(whole.train.labels)
            draws = repetitions(self.draws, len(balanced(labels, self.amount.per_class(labels), torch.Generator())))
        seeds = range(seed, seed + draws)
        train, validation, test = (Counted(part) for part in (whole.augmented, whole.validation, whole.test))
        read = Subject(
            subject.name, subject.backbone, replace(whole, augmented=train, validation=validation, test=test)
        )
        outcomes = [
            self._with_all(read, train, validation, each) if self.amount is None else self._with_few(read, each)
            for each in seeds
        ]
        census = Census.of(train=train, validation=validation, test=test)
        return conclude(self, subject, outcomes, seeds, started, census)

    def _with_all(self, subject: Subject, train: Counted, validation: Counted, seed: int) -> Outcome:
        splits = subject.splits
        fitted = [self._fit(subject, train, rate, seed) for rate in self.rates]
        best, chosen = 0, {}
        if len(fitted) > 1:
            scores = [self._accuracy(model, validation) for model in fitted]
            best = scores.index(max(scores))
            chosen = {"rate": self.rates[best], "validation": max(scores)}
        return Outcome(
            correct=self._correct(fitted[best], splits.test),
            labels=train.readable,
            labels_to_choose=validation.readable,
            chosen=chosen,
            chosen_on=splits.chosen_on if chosen else "nothing was chosen",
        )

    def _with_few(self, subject: Subject, seed: int) -> Outcome:
        assert self.amount is not None, "a few labels are an amount"
        splits, generator = subject.splits, torch.Generator().manual_seed(seed)
        labels = torch.as_tensor(splits.train.labels)
        rows = balanced(labels, self.amount.per_class(labels), generator)
        rate, chosen = self.rates[0], {}
        if len(self.rates) > 1:
            held = torch.zeros(len(rows), dtype=torch.bool)
            held[stratified(labels[rows], SHARE_OF_FEW_TO_CHOOSE, generator)] = True
            known, asked = Subset(splits.augmented, rows[~held]), Subset(splits.train, rows[held])
            scores = [self._accuracy(self._fit(subject, known, rate, seed), asked) for rate in self.rates]
            rate = self.rates[scores.index(max(scores))]
            chosen = {"rate": rate, "held_out": max(scores)}
        return Outcome(
            correct=self._correct(self._fit(subject, Subset(splits.augmented, rows), rate, seed), splits.test),
            labels=len(rows),
            labels_to_choose=0,
            chosen=chosen,
            chosen_on=f"{SHARE_OF_FEW_TO_CHOOSE:.0%} of the drawn labels" if chosen else "nothing was chosen",
        )

    def _fit(self, subject: Subject, dataset: Dataset, rate: float, seed: int) -> Classifier:
        labels = torch.as_tensor(subject.splits.train.labels)
        with seeded(seed):
            model = Classifier(subject.backbone, first_readable(subject.splits.train), int(labels.max()) + 1).train()
            device = device_of(model.encoder)
            optimizer = torch.optim.AdamW(decay_groups(model, rate, self.decay))
            batches = stream(dataset, self.batch, self.steps, seed)
            for batch, _ in zip(batches, descend(optimizer, self.steps, self.warmup), strict=True):
                optimizer.zero_grad()
                F.cross_entropy(model(batch.x.to(device)), answered(batch).to(device)).backward()
                optimizer.step()
        return model.eval()

    def _accuracy(self, model: Classifier, dataset: Dataset) -> float:
        return self._correct(model, dataset).double().mean().item()

    def _correct(self, model: Classifier, dataset: Dataset) -> Tensor:
        device = device_of(model.encoder)
        return told_right(lambda x: model(x).argmax(dim=1), dataset, self.batch, device)
