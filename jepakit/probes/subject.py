"""What is probed: a frozen backbone, or the raw pixels, on the three parts of a labelled data set."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from jepakit.contracts import Dataset
from jepakit.probes.census import Census
from jepakit.probes.features import Encoder, Features, Pixels, device_of, evaluating, extract, first_readable
from jepakit.probes.splits import Splits

MOST_PIXELS = 3 * 64 * 64
"""Numbers that a raw sample has at most: a clip, or a large picture, is averaged down to fewer."""


@dataclass(frozen=True)
class Table:
    """One kind of features ("last", "last4", "pixels") of the three splits."""

    view: str
    train: Features
    validation: Features
    test: Features

    @property
    def classes(self) -> int:
        """One more than the largest label of the training split."""
        return int(answers(self.train).max()) + 1

    def standardized(self) -> "Table":
        """Every feature with mean 0 and deviation 1 on the training split; a constant feature becomes 0 everywhere."""
        mean, std = self.train.x.mean(dim=0), self.train.x.std(dim=0, correction=0)
        tiny = torch.finfo(std.dtype).tiny
        scale = torch.where(std > 1e-6 * mean.abs() + tiny, 1 / std.clamp(min=tiny), 0)
        parts = [replace(part, x=(part.x - mean) * scale) for part in (self.train, self.validation, self.test)]
        return Table(self.view, *parts)


class Subject:
    """Something that is probed, under the `name` that stands in the table; features are computed once and kept.

    The views of a backbone are the paper's two: the mean over the tokens of the last level ("last"), and those of the
    last `levels` levels side by side (I-JEPA, 2301.08243, appendix A.2). Without a backbone it is the raw pixels.
    """

    def __init__(self, name: str, backbone: Encoder | None, splits: Splits, levels: int = 4, batch: int = 256) -> None:
        self.name, self.backbone, self.splits, self.levels, self.batch = name, backbone, splits, levels, batch

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All views of the three splits."""
        parts = (self.splits.train, self.splits.validation, self.splits.test)
        if self.backbone is None:
            return (
                Table(
                    "pixels", *[extract(Pixels(1, MOST_PIXELS), part, batch=self.batch, pool="flat") for part in parts]
                ),
            )
        width, layers = self.backbone.dim, last_levels(self.backbone, self.splits.train, self.levels)
        deep = [extract(self.backbone, part, layers, self.batch) for part in parts]
        # The last of the levels side by side is the output itself, which saves a second pass.
        last = Table("last", *[replace(part, x=part.x[:, -width:]) for part in deep])
        return (last, Table(f"last{len(layers)}", *deep)) if len(layers) > 1 else (last,)

    @property
    def classes(self) -> int:
        """One more than the largest label of the training split."""
        return int(torch.as_tensor(self.splits.train.labels).max()) + 1

    @cached_property
    def census(self) -> Census:
        """What could be read of each split: counted while its features are computed."""
        parts = {name: getattr(self.tables[0], name) for name in ("train", "validation", "test")}
        return Census(
            {name: len(part) for name, part in parts.items()},
            {name: part.unreadable for name, part in parts.items()},
            {name: part.reasons for name, part in parts.items()},
        )


def last_levels(backbone: Encoder, dataset: Dataset, wanted: int) -> tuple[int, ...]:
    """The numbers of the last `wanted` levels, or of all levels of a backbone that has fewer."""
    sample = first_readable(dataset)
    for count in range(wanted, 1, -1):
        try:
            with evaluating(backbone), torch.inference_mode():
                backbone(sample.to(device_of(backbone)), layers=tuple(range(-count, 0)))
        except ValueError:
            continue
        return tuple(range(-count, 0))
    return (-1,)


def answers(features: Features) -> Tensor:
    """The labels, which a probe cannot do without."""
    if features.labels is None:
        raise ValueError("a probe needs labels, and these samples have none")
    return features.labels
