"""Which labels a probe may learn from, which it may choose by, and which it is only measured on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from jepakit.contracts import Dataset

Part = Literal["train", "validation", "test"]
SHARE_TO_CHOOSE = 0.1


@runtime_checkable
class Labeled(Protocol):
    """A data Config: `split` gives one part of the labeled samples, as they are or as they are seen in training."""

    def split(self, part: Part, augmented: bool = False) -> Dataset | None: ...


class Subset:
    """Some samples of a data set, in the order of `index`; a `contracts.Dataset`."""

    labels: Int[Any, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, whole: Dataset, index: Int[Tensor, "n"]) -> None:
        self.whole, self.index = whole, index
        self.labels = None if whole.labels is None else whole.labels[index]
        self.classes = whole.classes

    def __len__(self) -> int:
        return len(self.index)

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        return self.whole.get(int(self.index[index]), epoch, seed)

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """The order of the whole set, without the samples that are not here."""
        place = torch.full((len(self.whole),), -1)
        place[self.index] = torch.arange(len(self.index))
        order = place[self.whole.order(epoch, seed)]
        return order[order >= 0]

    def name(self, index: int) -> str:
        return self.whole.name(int(self.index[index]))


@dataclass(frozen=True)
class Splits:
    """Heads are fitted on `train`, all choices made on `validation` (training data too), `test` is only reported.

    `augmented` holds the samples of `train` as they are seen in training.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    augmented: Dataset
    chosen_on: str

    def names(self, count: int) -> tuple[str, ...] | None:
        """What the first `count` classes are called, where that is known."""
        named = self.train.classes
        return None if named is None or len(named) < count else named[:count]

    @classmethod
    def of(cls, data: Labeled) -> "Splits":
        """The splits of a data Config; without a validation part, a tenth of every class of the training part.

        Raises ValueError if there are no labels or nothing to test on.
        """
        train, augmented = data.split("train"), data.split("train", augmented=True)
        validation, test = data.split("validation"), data.split("test")
        if train is None and validation is None and test is None:
            raise ValueError(
                "a probe needs labeled training and test samples, and this data has none; "
                "put each class into a folder of its own, or name another labeled set with --data.root"
            )
        if train is None or augmented is None or test is None:
            counts = zip(("train", "validation", "test"), map(_count, (train, validation, test)), strict=True)
            raise ValueError(
                "a probe needs labeled samples to train on and others to test on, and these are too few for both "
                f"({'; '.join(f'{part}: {count}' for part, count in counts)}): bring more samples, or parts of your "
                "own, such as folders called train and test with all classes in each, or name another labeled set "
                "with --data.root"
            )
        if len(torch.as_tensor(train.labels).unique()) < 2:
            raise ValueError(f"a probe tells at least 2 classes apart, but all {len(train)} training ones are alike")
        if validation is not None:
            return cls(train, validation, test, augmented, "validation split")
        held = stratified(torch.as_tensor(train.labels), SHARE_TO_CHOOSE, torch.Generator().manual_seed(0)).sort()[0]
        rest = torch.arange(len(train))[~torch.isin(torch.arange(len(train)), held)]
        chosen_on = f"{SHARE_TO_CHOOSE:.0%} of every class of the training split"
        return cls(Subset(train, rest), Subset(train, held), test, Subset(augmented, rest), chosen_on)


def _count(dataset: Dataset | None) -> str:
    """How many samples of which classes there are."""
    if dataset is None:
        return "none"
    values, counts = torch.as_tensor(dataset.labels).unique(return_counts=True)
    names = [str(value) if dataset.classes is None else dataset.classes[value] for value in values.tolist()]
    told = [f"{count} {name}" for name, count in zip(names, counts.tolist(), strict=True)]
    return ", ".join(told if len(told) < 6 else [*told[:4], f"{len(told) - 4} classes more"])


def stratified(labels: Int[Tensor, "n"], share: float, generator: Generator) -> Int[Tensor, "k"]:
    """The numbers of a random `share` of every class, at least one sample of each."""
    return _draw(labels, lambda members: max(round(share * members), 1), generator)


def balanced(labels: Int[Tensor, "n"], per_class: int, generator: Generator) -> Int[Tensor, "k"]:
    """The numbers of `per_class` random samples of every class: all of them where a class has fewer."""
    return _draw(labels, lambda members: min(per_class, members), generator)


def minibatches(count: int, size: int, steps: int, generator: Generator) -> Iterator[Int[Tensor, "b"]]:
    """`steps` times the numbers of `size` of `count` samples, none of them twice before a new round begins."""
    size, order = min(size, count), torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < size:
            order = torch.randperm(count, generator=generator)
        yield order[:size]
        order = order[size:]


def _draw(labels: Tensor, count: Callable[[int], int], generator: Generator) -> Tensor:
    drawn = []
    for label in labels.unique():
        members = (labels == label).nonzero().squeeze(1)
        drawn.append(members[torch.randperm(len(members), generator=generator)[: count(len(members))]])
    return torch.cat(drawn)
