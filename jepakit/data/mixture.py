"""Several data sets read as one, so much of each: videos and pictures, or videos of several collections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import Dataset, Transform
from jepakit.data.order import generator_for
from jepakit.data.sources import Part


@runtime_checkable
class Collection(Protocol):
    """A data Config that can be mixed: Images, Videos and their like."""

    @property
    def transform(self) -> Transform: ...

    def build(self) -> Dataset: ...

    def split(self, part: Part, augmented: bool = False) -> Dataset | None: ...

    def notes(self) -> list[str]: ...


@dataclass(frozen=True, kw_only=True)
class Mixture(Config):
    """A weighted mixture to train on. `weights` are shares of the samples, and need not add up to one.

    An epoch has `size` samples (None: as many as all sources together); each source is gone through in an endless row
    of epochs of its own, exactly as if it were alone. `together` samples in a row come from one source: where sources
    differ in shape (clips and single pictures), make it the batch, so that every batch is of one kind. Probes, the
    watch for collapse and the transform are those of the first source.
    """

    sources: tuple[Config, ...]
    weights: tuple[float, ...]
    together: int = 1
    size: int | None = None

    def __post_init__(self) -> None:
        if not self.sources or len(self.sources) != len(self.weights):
            raise ValueError(f"a mixture needs a weight for each source: {len(self.sources)} and {len(self.weights)}")
        if min(self.weights) <= 0:
            raise ValueError(f"weights are above 0, got {self.weights}; leave a source out instead of giving it none")
        if self.together < 1:
            raise ValueError(f"together is a number of samples and at least 1, got {self.together}")
        for source in self.sources:
            if not isinstance(source, Collection):
                raise ValueError(f"{type(source).__name__} cannot be mixed: it is no collection like Images or Videos")

    @property
    def transform(self) -> Transform:
        """How the first source makes input."""
        return self._collections()[0].transform

    def build(self) -> "MixtureDataset":
        """What is pretrained on."""
        sources = [source.build() for source in self._collections()]
        return MixtureDataset(sources, self.weights, self.together, self.size or sum(len(source) for source in sources))

    def split(self, part: Part, augmented: bool = False) -> Dataset | None:
        """The labeled samples of one part of the first source."""
        return self._collections()[0].split(part, augmented)

    def notes(self) -> list[str]:
        """What a user should know of each source."""
        return [
            f"source {number}: {note}"
            for number, source in enumerate(self._collections(), start=1)
            for note in source.notes()
        ]

    def _collections(self) -> list[Collection]:
        return [source for source in self.sources if isinstance(source, Collection)]


class MixtureDataset:
    """A `contracts.Dataset` over several. Samples have no labels, for those of different sources mean different things.

    Samples are numbered source after source. A source whose share is larger than it is comes more than once in an
    epoch: `total` is added to the number for each time, so that it is seen in another way.
    """

    labels: Int[Tensor, "n"] | None = None
    classes: tuple[str, ...] | None = None

    def __init__(self, sources: Sequence[Dataset], weights: Sequence[float], together: int, size: int) -> None:
        if empty := [number for number, source in enumerate(sources, start=1) if len(source) == 0]:
            raise ValueError(f"source {empty[0]} of the mixture is empty")
        self._sources, self._together = sources, together
        self._lengths = [len(source) for source in sources]
        self._starts = [sum(self._lengths[:number]) for number in range(len(sources))]
        self._total = sum(self._lengths)
        blocks = apportion(size // together, weights)
        if min(blocks) == 0:
            raise ValueError(
                f"an epoch of {size} samples, {together} together, has none of source {blocks.index(0) + 1} of the "
                "mixture; give it a larger weight, a larger size, or fewer together"
            )
        self._counts = [count * together for count in blocks]

    def __len__(self) -> int:
        return sum(self._counts)

    @property
    def first_source(self) -> Dataset:
        """What meters are read on: samples of different sources may differ in shape."""
        first = self._sources[0]
        return first.first_source if isinstance(first, MixtureDataset) else first

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample {"x"} that its source gives in the epoch that it has come to. Raises BrokenSample."""
        which, place, turn = self._find(index)
        past = epoch * self._counts[which] // self._lengths[which]
        return {"x": self._sources[which].get(place, past + turn, seed)["x"]}

    def name(self, index: int) -> str:
        """What the source calls it."""
        which, place, _ = self._find(index)
        return self._sources[which].name(place)

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """The samples of an epoch, a function of (epoch, seed) alone, in which runs of `together` are of one source."""
        kinds = torch.repeat_interleave(torch.arange(len(self._sources)), torch.tensor(self._counts) // self._together)
        shuffled = kinds[torch.randperm(len(kinds), generator=generator_for(seed, epoch))]
        kinds = shuffled.repeat_interleave(self._together)
        found = torch.empty(len(self), dtype=torch.int64)
        for which in range(len(self._sources)):
            found[kinds == which] = self._row(which, epoch, seed)
        return found

    def _row(self, which: int, epoch: int, seed: int) -> Int[Tensor, "k"]:
        """The samples of one source in an epoch of the mixture: a stretch of its own endless row of epochs."""
        count, length = self._counts[which], self._lengths[which]
        first, last = epoch * count, (epoch + 1) * count
        epochs = range(first // length, (last - 1) // length + 1)
        row = torch.cat([
            self._sources[which].order(own, seed) + self._starts[which] + turn * self._total
            for turn, own in enumerate(epochs)
        ])  # fmt: skip
        return row[first - epochs[0] * length : last - epochs[0] * length]

    def _find(self, index: int) -> tuple[int, int, int]:
        """Which source a number means, which sample of it, and the how manieth time in this epoch."""
        turn, place = divmod(index, self._total)
        which = max(number for number, start in enumerate(self._starts) if start <= place)
        return which, place - self._starts[which], turn


def apportion(seats: int, weights: Sequence[float]) -> list[int]:
    """`seats` dealt out by weight, by the largest remainders, so that they add up."""
    exact = [seats * weight / sum(weights) for weight in weights]
    dealt = [int(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda number: dealt[number] - exact[number])
    for number in by_remainder[: seats - sum(dealt)]:
        dealt[number] += 1
    return dealt
