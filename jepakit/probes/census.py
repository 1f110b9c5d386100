"""Which samples of a data set could be read, and which could not: said with every figure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Int
from torch import Tensor

from jepakit.contracts import BrokenSample, Dataset


class Counted:
    """A data set that remembers which of its samples could be read, and which could not; a `contracts.Dataset`."""

    labels: Int[Any, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, whole: Dataset) -> None:
        self.whole, self.labels, self.classes = whole, whole.labels, whole.classes
        self._read: set[int] = set()
        self._broken: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.whole)

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample. Raises BrokenSample."""
        try:
            sample = self.whole.get(index, epoch, seed)
        except BrokenSample as broken:
            self._broken.setdefault(index, str(broken))
            raise
        self._read.add(index)
        return sample

    def leave_out(self, index: int, reason: str) -> None:
        """Counts a sample that was read, but could not be used, as one that could not be read."""
        self._read.discard(index)
        self._broken.setdefault(index, reason)

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        return self.whole.order(epoch, seed)

    def name(self, index: int) -> str:
        return self.whole.name(index)

    @property
    def readable(self) -> int:
        """How many samples were read so far, each counted once."""
        return len(self._read)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The names of those that could not be read."""
        return tuple(map(self.name, sorted(self._broken)))

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each of them that says why."""
        return tuple(self._broken[index] for index in sorted(self._broken))


@dataclass(frozen=True)
class Census:
    """How many samples of each split were read, the names of those that could not be, and why."""

    sizes: Mapping[str, int]
    unreadable: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, train: Counted, validation: Counted, test: Counted) -> "Census":
        """What is known once all has been read."""
        parts = {"train": train, "validation": validation, "test": test}
        return cls(
            {name: part.readable for name, part in parts.items()},
            {name: part.unreadable for name, part in parts.items()},
            {name: part.reasons for name, part in parts.items()},
        )
