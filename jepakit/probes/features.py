"""Features of every sample of a data set: what most probes measure. A broken sample is named, never replaced."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from jepakit.contracts import BrokenSample, Dataset, Shapes, misfits, shapes
from jepakit.probes.census import Counted
from jepakit.tokens import Tokens

Pool = Literal["mean", "flat"]
Encode = Callable[[Float[Tensor, "b ..."]], Float[Tensor, "b d"]]
READERS = 4


@runtime_checkable
class Encoder(Protocol):
    """What a probe needs of a `contracts.Backbone`: it takes what the data set gives, whoever made that."""

    dim: int

    def __call__(
        self, x: Tensor, keep: Int[Tensor, "b k"] | None = None, layers: tuple[int, ...] | None = None
    ) -> Tokens: ...


@dataclass(frozen=True)
class Features:
    """One row a readable sample, on the CPU in float32; `unreadable` names the samples that have no row.

    `labels` is None where the data set has none; `reasons` say in one sentence each why a sample has no row.
    """

    x: Float[Tensor, "n d"]
    labels: Int[Tensor, "n"] | None
    names: tuple[str, ...]
    unreadable: tuple[str, ...]
    reasons: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Batch:
    """Readable samples of one shape and where in the data set they stand; `broken` says of others why they are not.

    `unreadable` are the names of these.
    """

    x: Float[Tensor, "b ..."]
    labels: Int[Tensor, "b"] | None
    index: tuple[int, ...]
    broken: Mapping[int, str]
    unreadable: tuple[str, ...]


class Pixels(nn.Module):
    """A backbone that learnt nothing: every pixel is a token. What raw pixels achieve, measured by the same code.

    Samples of more than `most` numbers are made smaller first: rows and columns are averaged by twos until they fit.
    """

    dim: int

    def __init__(self, channels: int, most: int | None = None) -> None:
        super().__init__()
        self.dim, self.most = channels, most

    def forward(
        self, x: Float[Tensor, "b c ..."], keep: Int[Tensor, "b k"] | None = None, layers: tuple[int, ...] | None = None
    ) -> Tokens:
        """Pixels [b n c] in raster order, at their places. Raises ValueError for `layers`: there is only one level."""
        if layers is not None:
            raise ValueError(f"raw pixels have one level, so layers={layers} cannot be given")
        while self.most is not None and x[0].numel() > self.most and x.ndim >= 4 and max(x.shape[-2:]) > 1:
            smaller = F.avg_pool2d(x.flatten(0, -3).unsqueeze(1), 2, ceil_mode=True)
            x = smaller.view(*x.shape[:-2], *smaller.shape[-2:])
        extent = tuple(x.shape[2:])
        axes = torch.meshgrid(*[torch.arange(size, device=x.device) for size in extent], indexing="ij")
        places = torch.stack(axes, dim=-1).flatten(0, -2).to(x.dtype)
        tokens = Tokens(x.flatten(2).transpose(1, 2), places.expand(len(x), -1, -1), None, extent)
        return tokens if keep is None else tokens.take(keep)


def extract(
    backbone: Encoder,
    dataset: Dataset,
    layers: tuple[int, ...] | None = None,
    batch: int = 256,
    pool: Pool = "mean",
    device: torch.device | None = None,
) -> Features:
    """The features of all samples in the order of the data set: mean over the tokens, or all tokens side by side.

    `layers` as in `contracts.Backbone`; `device` is where the backbone is, read from its parameters unless given.
    Deterministic: evaluation mode, no gradients, samples of epoch 0 and seed 0. Raises ValueError if no sample can be
    read.
    """
    return gather(Pooled(backbone, layers, pool, device), dataset, batch)


@dataclass(frozen=True)
class Pooled:
    """A vector for each sample, on the CPU: what a frozen backbone makes of it, at some of its levels."""

    backbone: Encoder
    layers: tuple[int, ...] | None = None
    pool: Pool = "mean"
    device: torch.device | None = None

    def __call__(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        with evaluating(self.backbone), torch.inference_mode():
            rows, segments, views = split_views(x.to(self.device or device_of(self.backbone)))
            tokens = self.backbone(rows, layers=self.layers)
            pooled = tokens.pooled() if self.pool == "mean" else tokens.values.flatten(1)
            return pooled.float().unflatten(0, (-1, segments * views)).mean(dim=1).cpu()


def gather(encode: Encode, dataset: Dataset, batch: int = 256) -> Features:
    """What `encode` makes of all samples, in the order of the data set. Raises ValueError if no sample can be read.

    Samples of several shapes are encoded apart. Where features then differ in length, those of the most frequent one
    are kept, and the others are named.
    """
    rows, labels, broken = dict[int, Tensor](), dict[int, Tensor](), dict[int, str]()
    for read in batches(dataset, range(len(dataset)), batch, apart=True):
        broken |= read.broken
        if read.index:
            rows |= zip(read.index, encode(read.x), strict=True)
            labels |= () if read.labels is None else zip(read.index, read.labels, strict=True)
    if not rows:
        raise ValueError(f"none of the {len(dataset)} samples can be read; the first is {_first_name(dataset)}")
    ((length, _),) = Counter(map(len, rows.values())).most_common(1)
    for odd in [index for index, row in rows.items() if len(row) != length]:
        reason = f"its shape gives {len(rows.pop(odd))} features where the others give {length}; probe kinds apart"
        broken[odd] = _leave_out(dataset, odd, reason)
    index, lost = sorted(rows), sorted(broken)
    answers = None if dataset.labels is None else torch.stack([labels[number] for number in index])
    # A clone made outside of inference mode is an ordinary tensor, which heads can be trained on.
    x, names = torch.stack([rows[number] for number in index]).clone(), tuple(map(dataset.name, index))
    return Features(x, answers, names, tuple(map(dataset.name, lost)), tuple(broken[number] for number in lost))


def raw_pixels(dataset: Dataset, batch: int = 256) -> Features:
    """All input numbers of a sample as its features: the baseline that every representation has to beat."""
    return extract(Pixels(channels=1), dataset, batch=batch, pool="flat")


def split_views(x: Float[Tensor, "b ..."]) -> tuple[Float[Tensor, "n ..."], int, int]:
    """What a backbone takes of samples that may have several views, and how many segments and views each has.

    [b s v c t h w], as `data.cuts.ManyViews` cuts clips, becomes [(b s v) c t h w]; anything else is one view.
    """
    return (x.flatten(0, 2), x.shape[1], x.shape[2]) if x.dim() == 7 else (x, 1, 1)


def batches(
    dataset: Dataset, order: Sequence[int], size: int, epoch: int = 0, seed: int = 0, apart: bool = False
) -> Iterator[Batch]:
    """The samples numbered in `order`, `size` at a time, read ahead by a few threads (decoders release the GIL).

    Where `size` samples have several shapes, each shape makes a batch of its own if they may stand `apart`; else those
    of the most frequent one are kept, and the others are named as broken.
    """
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    with ThreadPoolExecutor(READERS) as pool:
        ahead: list[Future[list[Batch]]] = []
        try:
            for part in parts:
                ahead.append(pool.submit(_read, dataset, part, epoch, seed, apart))
                if len(ahead) > READERS:
                    yield from ahead.pop(0).result()
            while ahead:
                yield from ahead.pop(0).result()
        finally:
            for future in ahead:
                future.cancel()


def first_readable(dataset: Dataset) -> Float[Tensor, "1 ..."]:
    """A batch of the first sample that can be read. Raises ValueError if none can."""
    for number in range(len(dataset)):
        try:
            return dataset.get(number, 0, 0)["x"].unsqueeze(0)
        except BrokenSample:
            continue
    raise ValueError(f"none of the {len(dataset)} samples can be read; the first is {_first_name(dataset)}")


def device_of(backbone: Encoder) -> torch.device:
    """Where the parameters are; the CPU if there are none."""
    parameters = backbone.parameters() if isinstance(backbone, nn.Module) else ()
    return next((parameter.device for parameter in parameters), torch.device("cpu"))


@contextmanager
def evaluating(network: object) -> Iterator[None]:
    """Evaluation mode for the moment, whatever the network was in before."""
    if not isinstance(network, nn.Module):
        yield
        return
    before = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def _read(dataset: Dataset, part: Sequence[int], epoch: int, seed: int, apart: bool) -> list[Batch]:
    """At least one batch; the first one names what is broken."""
    read, broken = list[tuple[int, Mapping[str, Tensor]]](), dict[int, str]()
    for number in part:
        try:
            read.append((number, dataset.get(number, epoch, seed)))
        except BrokenSample as problem:
            broken[number] = str(problem)
    groups = dict[Shapes, list[tuple[int, Mapping[str, Tensor]]]]()
    for (number, sample), misfit in zip(read, misfits([sample for _, sample in read]), strict=True):
        if misfit is not None and not apart:
            broken[number] = _leave_out(dataset, number, misfit)
        else:
            groups.setdefault(shapes(sample), []).append((number, sample))
    names = tuple(dataset.name(number) for number in part if number in broken)
    batch = [_stack(group) for group in groups.values()] or [_stack([])]
    return [replace(batch[0], broken=broken, unreadable=names), *batch[1:]]


def _stack(group: Sequence[tuple[int, Mapping[str, Tensor]]]) -> Batch:
    index, samples = tuple(number for number, _ in group), [sample for _, sample in group]
    x = torch.stack([sample["x"] for sample in samples]) if samples else torch.empty(0, 1)
    labels = torch.stack([sample["label"] for sample in samples]) if samples and "label" in samples[0] else None
    return Batch(x, labels, index, {}, ())


def _leave_out(dataset: Dataset, number: int, reason: str) -> str:
    """Why a sample that can be read is not used, with its name; a data set that counts is told."""
    sentence = f"{dataset.name(number)}: {reason}"
    if isinstance(dataset, Counted):
        dataset.leave_out(number, sentence)
    return sentence


def _first_name(dataset: Dataset) -> str:
    return dataset.name(0) if len(dataset) else "missing: the data set is empty"
