"""The attentive probe of V-JEPA: a learned query reads all tokens of a frozen backbone, a linear layer the answer."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, Protocol, TypeVar, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.probes.census import Census, Counted
from jepakit.probes.classifier import AttentiveClassifier
from jepakit.probes.features import Encoder, batches, device_of, evaluating, first_readable, split_views
from jepakit.probes.result import BEST_ON_TEST, Outcome, Result, conclude
from jepakit.probes.splits import minibatches
from jepakit.probes.subject import Subject
from jepakit.probes.training import answered, decay_groups, descend, seeded, stream, told_right
from jepakit.tokens import Tokens

Part = TypeVar("Part")


@runtime_checkable
class Watch(Protocol):
    """Gives on the parts of a long piece of work one by one, and may tell how many of them are done."""

    def __call__(self, work: str, parts: Iterable[Part], count: int) -> Iterable[Part]: ...


def unwatched(work: str, parts: Iterable[Part], count: int) -> Iterable[Part]:
    """Tells nobody."""
    return parts


class Patches(nn.Module):
    """Raw pixels as tokens that know where they are: patches, beside sines and cosines of their place.

    `patch` is the side of a patch on each of the `axes`, or what it measures on every one of them.
    """

    waves = 4

    def __init__(self, channels: int, patch: int | tuple[int, ...], axes: int = 2) -> None:
        super().__init__()
        self.patch = patch if isinstance(patch, tuple) else (patch,) * axes
        self.dim = channels * math.prod(self.patch) + 2 * self.waves * len(self.patch)

    def forward(
        self, x: Float[Tensor, "b c ..."], keep: Int[Tensor, "b k"] | None = None, layers: tuple[int, ...] | None = None
    ) -> Tokens:
        """What does not fill a patch at the far edges is filled with zeros, so that nothing is lost."""
        missing = [-size % side for size, side in zip(x.shape[2:], self.patch, strict=True)]
        x = F.pad(x, [side for size in reversed(missing) for side in (0, size)])
        for axis, side in enumerate(self.patch, start=2):
            x = x.unfold(axis, side, side)
        count = (x.dim() - 2) // 2
        extent = tuple(x.shape[2 : 2 + count])
        values = x.movedim(1, 1 + count).flatten(1 + count).flatten(1, count)
        grid = torch.meshgrid(*[torch.arange(size, device=x.device) for size in extent], indexing="ij")
        coords = torch.stack(grid, dim=-1).flatten(0, -2).to(x.dtype)
        turns = coords / torch.tensor(extent, device=x.device) * torch.pi
        angles = (turns[..., None] * 2.0 ** torch.arange(self.waves, device=x.device)).flatten(1)
        places = torch.cat([angles.sin(), angles.cos()], dim=1).expand(len(x), -1, -1)
        tokens = Tokens(torch.cat([values, places], dim=2), coords.expand(len(x), -1, -1), None, extent)
        return tokens if keep is None else tokens.take(keep)


@dataclass(frozen=True, kw_only=True)
class Attentive(Config):
    """Attentive classifiers on frozen tokens: a small grid of rates and decays at once, one of them reported.

    AdamW, rates along a cosine to zero, augmented samples, no decay of biases and norms (V-JEPA, 2404.08471,
    appendix). The head is chosen on training data. The released evaluation of V-JEPA 2 reports the head of its grid
    that is best on the very data it reports: that figure stands beside, as `best_of_grid_on_test` in what was chosen.

    A sample of several segments and views is read as in V-JEPA: the tokens of all segments together, and the
    probabilities of the views averaged.
    """

    blocks: int = 1
    rates: tuple[float, ...] = (1e-3, 3e-4)
    decays: tuple[float, ...] = (0.01, 0.1)
    steps: int = 1000
    batch: int = 128
    head_width: int = 32
    """Attention heads are at least this wide."""
    layers: tuple[int, ...] = (-1,)
    """The levels of the backbone whose tokens are read, side by side as more tokens (V-JEPA 2, 2506.09985)."""
    samples: Literal["augmented", "fixed"] = "augmented"
    """"fixed" encodes the training samples once, as they are, and keeps their tokens in memory: much faster."""
    pixel_patch: int = 4
    """For raw pixels: the side of the patches that are read as tokens."""

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("an attentive probe reads at least one level; give layers, such as -1 for the last")
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps and batch are at least 1, got {self.steps} and {self.batch}")

    @property
    def name(self) -> str:
        return f"attentive{self.blocks}"

    def measure(self, subject: Subject, seed: int) -> Result:
        """The test accuracy of the one head that is best on the validation split."""
        return self.fit(subject, seed)[1]

    def fit(self, subject: Subject, seed: int, watch: Watch = unwatched) -> tuple[AttentiveClassifier, Result]:
        """The head that is best on the validation split, and what it reaches on the test split."""
        started, splits = perf_counter(), subject.splits
        train = Counted(splits.augmented if self.samples == "augmented" else splits.train)
        validation, test = Counted(splits.validation), Counted(splits.test)
        sample, segments, _ = split_views(first_readable(splits.train))
        reader = (
            Reader(Patches(sample.shape[1], self.pixel_patch, sample.dim() - 2), (-1,))  # pixels have one level
            if subject.backbone is None
            else Reader(subject.backbone, self.layers)
        )
        with evaluating(reader.encoder), seeded(seed):
            heads = self._fit(reader, train, subject.classes, seed, watch)
            scores, right = (
                told_right(lambda x: predict(heads, reader(x)), part, self.batch, reader.device).double()
                for part in (validation, test)
            )
        best = int(scores.mean(dim=0).argmax())
        head = heads[best]
        assert isinstance(head, AttentiveClassifier), "heads are made by _fit"
        head.layers, head.segments, head.names = reader.layers, segments, splits.names(subject.classes)
        rate, decay = list(itertools.product(self.rates, self.decays))[best]
        outcome = Outcome(
            correct=right[:, best].bool(),
            labels=train.readable,
            labels_to_choose=validation.readable,
            chosen={
                "rate": rate,
                "decay": decay,
                "validation": scores[:, best].mean().item(),
                BEST_ON_TEST: right.mean(dim=0).max().item(),
            },
            chosen_on=splits.chosen_on,
        )
        census = Census.of(train=train, validation=validation, test=test)
        return head, conclude(self, subject, [outcome], [seed], started, census)

    def _fit(
        self, reader: "Reader", train: Dataset, classes: int, seed: int, watch: Watch = unwatched
    ) -> nn.ModuleList:
        device, grid = reader.device, list(itertools.product(self.rates, self.decays))
        shape = (reader.encoder.dim, divisor(reader.encoder.dim, self.head_width), self.blocks, classes)
        heads = nn.ModuleList(AttentiveClassifier(*shape) for _ in grid).to(device)
        optimizer = torch.optim.AdamW(
            [group for head, choice in zip(heads, grid, strict=True) for group in decay_groups(head, *choice)]
        )
        read = watch("training heads", self._encoded(reader, train, seed, watch), self.steps)
        for (tokens, labels), _ in zip(read, descend(optimizer, self.steps, warmup=0.0), strict=True):
            labels = labels.to(device).repeat_interleave(len(tokens.values) // len(labels))
            # The heads share no parameter, so that the gradient of the sum is the gradient of each.
            losses = [F.cross_entropy(head(tokens.values, tokens.valid), labels) for head in heads]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
        return heads.eval()

    def _encoded(self, reader: "Reader", train: Dataset, seed: int, watch: Watch) -> Iterator[tuple["Read", Tensor]]:
        """Batches of tokens and their labels, as many as there are steps."""
        if self.samples == "augmented":
            for batch in stream(train, self.batch, self.steps, seed):
                yield reader(batch.x), answered(batch)
            return
        kept = Kept.of(reader, train, self.batch, watch)
        for rows in minibatches(len(kept.labels), self.batch, self.steps, torch.Generator().manual_seed(seed)):
            yield kept.take(rows, reader.device), kept.labels[rows]


@dataclass(frozen=True)
class Read:
    """What a head reads of a batch of b samples: for each view of each sample, the tokens of all of its segments."""

    values: Float[Tensor, "bv n d"]
    valid: Bool[Tensor, "bv n"] | None
    views: int


class Reader:
    """A frozen backbone that reads samples of one view or several, at some of its levels."""

    def __init__(self, encoder: Encoder, layers: tuple[int, ...]) -> None:
        self.encoder, self.layers, self.device = encoder, layers, device_of(encoder)

    @torch.no_grad()
    def __call__(self, x: Float[Tensor, "b ..."]) -> Read:
        rows, segments, views = split_views(x.to(self.device))
        tokens = self.encoder(rows, layers=None if self.layers == (-1,) else self.layers)
        levels = len(self.layers)
        values = tokens.values.unflatten(2, (levels, -1)).transpose(1, 2).flatten(1, 2)
        valid = None if tokens.valid is None else tokens.valid.repeat(1, levels)

        def together(of_rows: Tensor) -> Tensor:
            """[b s v] rows of n tokens -> [b v] rows of s n tokens."""
            return of_rows.unflatten(0, (-1, segments, views)).transpose(1, 2).flatten(0, 1).flatten(1, 2)

        return Read(together(values), None if valid is None else together(valid), views)


@dataclass(frozen=True)
class Kept:
    """The tokens of all readable samples [n v m d], and their labels, in memory."""

    values: Float[Tensor, "n v m d"]
    valid: Bool[Tensor, "n v m"] | None
    labels: Int[Tensor, "n"]

    @classmethod
    def of(cls, reader: Reader, dataset: Dataset, size: int, watch: Watch = unwatched) -> "Kept":
        """Encodes every sample once."""
        read, labels = [], []
        found = batches(dataset, range(len(dataset)), size)
        for batch in watch("encoding training samples", found, math.ceil(len(dataset) / size)):
            if batch.index:
                read.append(reader(batch.x))
                labels.append(answered(batch))
        views = read[0].views
        values = torch.cat([each.values.cpu() for each in read]).unflatten(0, (-1, views))
        valid = [each.valid.cpu() for each in read if each.valid is not None]
        return cls(values, torch.cat(valid).unflatten(0, (-1, views)) if valid else None, torch.cat(labels))

    def take(self, rows: Int[Tensor, "b"], device: torch.device) -> Read:
        """Some of the samples, as they were read."""
        valid = None if self.valid is None else self.valid[rows].flatten(0, 1).to(device)
        return Read(self.values[rows].flatten(0, 1).to(device), valid, self.values.shape[1])


def divisor(dim: int, width: int) -> int:
    """The largest number of heads that divides `dim` and leaves each at least `width` wide."""
    return next(heads for heads in range(max(dim // width, 1), 0, -1) if dim % heads == 0)


def probabilities(heads: Iterable[nn.Module], read: Read) -> Float[Tensor, "b h c"]:
    """What each head makes of each sample, averaged over its views."""
    logits = torch.stack([head(read.values, read.valid) for head in heads], dim=1)
    return logits.softmax(dim=-1).unflatten(0, (-1, read.views)).mean(dim=1)


def predict(heads: Iterable[nn.Module], read: Read) -> Int[Tensor, "b h"]:
    """The likeliest class of each sample by each head."""
    return probabilities(heads, read).argmax(dim=-1)


class Classify:
    """The probability of each class for each sample, on the CPU: a backbone and the classifier that was fitted on it.

    Raises ValueError if the two do not fit together.
    """

    def __init__(self, backbone: Encoder, classifier: AttentiveClassifier) -> None:
        width = classifier.linear.in_features
        if width != backbone.dim:
            raise ValueError(
                f"the classifier reads tokens of {width} numbers, and this backbone gives {backbone.dim}; "
                "name the one that the classifier was fitted on"
            )
        self.reader, self.classifier = Reader(backbone, classifier.layers), classifier

    def __call__(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b c"]:
        with evaluating(self.reader.encoder), torch.inference_mode():
            return probabilities([self.classifier], self.reader(x))[:, 0].cpu()
