"""What a frozen JEPA knows of what comes next: its encoder's tokens of a clip, its predictor's of a later moment."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jepakit.contracts import Dataset, Predictor
from jepakit.probes.features import Encoder, batches, device_of, evaluating
from jepakit.tokens import Places

Reads = Literal["both", "encoder", "predictor"]
"""Which tokens a head reads."""


@runtime_checkable
class Anticipated(Dataset, Protocol):
    """Clips that end some time before what is asked about, as `data.actions.ActionDataset` has them.

    `targets` are verb, noun and action, -1 for what training never shows, and `sizes` how many there are of each;
    `previous` are the targets of what was done last. `videos` number the video of each row.
    """

    targets: Int[Tensor, "n 3"]
    sizes: tuple[int, int, int]

    @property
    def videos(self) -> Int[Tensor, "n"]: ...

    @property
    def tubelets_per_second(self) -> float: ...

    @property
    def previous(self) -> Int[Tensor, "n 3"]: ...

    def seconds(self, index: int, epoch: int, seed: int) -> float:
        """How long before the action the sample that `get` gives ends."""
        ...


@runtime_checkable
class Masked(Protocol):
    """What is needed of a masked method (`methods.masked.MaskedJEPA`)."""

    predictor: nn.Module
    families: tuple[int, ...]
    levels: tuple[int, ...] | None

    @property
    def kept(self) -> nn.Module: ...


@dataclass(frozen=True)
class Foresight:
    """A frozen encoder and its predictor, which is asked for the one step of time that lies so far ahead.

    Both speak of `levels` (None: the last). `family` is the mask token that the predictor is asked with: of several,
    the last one belongs to the longest range. The released evaluation of V-JEPA 2 asks with number 1, which its
    training never uses (released code).
    """

    encoder: Encoder
    predictor: Predictor
    family: int = 0
    levels: tuple[int, ...] | None = None

    @classmethod
    def of(cls, method: Masked) -> "Foresight":
        """That of a trained method: the encoder that is kept, and what its predictor was trained with."""
        assert isinstance(method.kept, Encoder)
        assert isinstance(method.predictor, Predictor)
        return cls(method.kept, method.predictor, method.families[-1], method.levels)

    @torch.no_grad()
    def __call__(
        self, x: Float[Tensor, "b c t h w"], ahead: Int[Tensor, "b"], reads: Reads = "both"
    ) -> Float[Tensor, "b n d"]:
        """Tokens of the clips and, behind them, of the step of time that begins `ahead` steps after their end.

        Raises ValueError where the two are not equally wide, or the encoder drops tokens.
        """
        seen = self.encoder(x) if self.levels is None else self.encoder(x, layers=self.levels)
        if reads == "encoder":
            return seen.values
        if seen.extent is None or math.prod(seen.extent) != seen.values.shape[1]:
            raise ValueError("a predictor is asked for what follows a whole grid, and these tokens are no such grid")
        coords = seen.coords[:, -math.prod(seen.extent[1:]) :].clone()
        coords[..., 0] += 1 + ahead.to(coords)[:, None]
        places = Places(coords.unsqueeze(1), beyond=int(ahead.max()) + 1)
        foreseen = self.predictor(seen, places, self.family).places.values
        if reads == "predictor":
            return foreseen
        if foreseen.shape[2] != seen.values.shape[2]:
            raise ValueError(
                f"the encoder's tokens are {seen.values.shape[2]} wide, the predictor's {foreseen.shape[2]}, so they "
                "cannot be read side by side; read only one of them"
            )
        return torch.cat([seen.values, foreseen], dim=1)


@dataclass(frozen=True)
class Seen:
    """Tokens of readable samples, their numbers, and the names of those that could not be read."""

    values: Float[Tensor, "b n d"]
    index: tuple[int, ...]
    unreadable: tuple[str, ...] = ()


@runtime_checkable
class Clips(Protocol):
    """Tokens of the samples of a data set, read again for each epoch (`Live`) or computed once (`Kept`)."""

    @property
    def dataset(self) -> Anticipated: ...

    def read(self, order: Sequence[int], size: int, epoch: int = 0, seed: int = 0) -> Iterator[Seen]: ...


@dataclass(frozen=True)
class Live:
    """Tokens are computed when they are read: each epoch sees other crops and other seconds, and nothing is kept."""

    foresight: Foresight
    dataset: Anticipated
    reads: Reads = "both"

    def read(self, order: Sequence[int], size: int, epoch: int = 0, seed: int = 0) -> Iterator[Seen]:
        """The samples numbered in `order`, `size` at a time."""
        rate = self.dataset.tubelets_per_second
        for batch in batches(self.dataset, order, size, epoch, seed):
            seconds = torch.tensor([self.dataset.seconds(index, epoch, seed) for index in batch.index])
            # A hair is added, so that 0.3 seconds at 10 a second are 3 steps.
            ahead = (seconds * rate + 1e-4).floor().long()
            yield Seen(
                self._tokens(batch.x, ahead) if batch.index else batch.x[:0, None], batch.index, batch.unreadable
            )

    def _tokens(self, x: Tensor, ahead: Tensor) -> Tensor:
        encoder, device = self.foresight.encoder, device_of(self.foresight.encoder)
        with evaluating(encoder), evaluating(self.foresight.predictor):
            return self.foresight(x.to(device), ahead.to(device), self.reads)


@dataclass(frozen=True)
class Kept:
    """Tokens that are computed once and held in memory as half-precision numbers, in several draws for training.

    `values` are [draws, readable samples, n, d], and `place` says which of these a sample is, -1 for one that could not
    be read; `split` of the n tokens are the encoder's.
    """

    dataset: Anticipated
    values: Tensor
    place: Int[Tensor, "m"]
    split: int
    device: torch.device

    @classmethod
    def of(cls, foresight: Foresight, dataset: Anticipated, draws: int = 1, batch: int = 32, seed: int = 0) -> "Kept":
        """Tokens of all samples. Raises ValueError if none can be read."""
        live, place, drawn = Live(foresight, dataset), torch.full((len(dataset),), -1), []
        for epoch in range(draws):
            values, index = [], []
            for seen in live.read(range(len(dataset)), batch, epoch, seed):
                if seen.index:
                    values.append(seen.values.half().cpu())
                    index += seen.index
            if not index:
                raise ValueError(f"none of the {len(dataset)} clips can be read; the first is {dataset.name(0)}")
            place[index] = torch.arange(len(index))
            drawn.append(torch.cat(values))
        (first,) = Live(foresight, dataset, "encoder").read([int((place == 0).nonzero()[0])], 1, 0, seed)
        device, split = first.values.device, first.values.shape[1]
        return cls(dataset, torch.stack(drawn), place, split, device)

    def only(self, reads: Reads) -> "Kept":
        """The same clips, of which the tokens of the encoder or those of the predictor are read."""
        part = {"both": slice(None), "encoder": slice(self.split), "predictor": slice(self.split, None)}[reads]
        return replace(self, values=self.values[:, :, part])

    def read(self, order: Sequence[int], size: int, epoch: int = 0, seed: int = 0) -> Iterator[Seen]:
        """The samples numbered in `order`, `size` at a time, in the draws one after the other."""
        draw = self.values[epoch % len(self.values)]
        for start in range(0, len(order), size):
            asked = order[start : start + size]
            index = [number for number in asked if self.place[number] >= 0]
            lost = tuple(self.dataset.name(number) for number in asked if self.place[number] < 0)
            yield Seen(draw[self.place[index]].to(self.device).float(), tuple(index), lost)
