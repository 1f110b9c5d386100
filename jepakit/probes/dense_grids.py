"""Frozen tokens as pictures, and what is true at the pixels under them: encoded once, for heads are trained on them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.contracts import Dataset
from jepakit.probes.features import Encoder, batches, device_of, evaluating
from jepakit.tokens import Tokens, gather

Truth = Literal["mask", "depth"]
TRUTHS: tuple[Truth, ...] = ("mask", "depth")


@dataclass(frozen=True)
class Grids:
    """Pictures of tokens [rows, columns, width]: `steps` of each readable sample, one for a picture.

    A token that spans several frames gives one answer, and is asked about the first of them: `truth` holds, where the
    data set gives it, "mask" [n h w] (below 0: unknown) and "depth" [n h w] of that frame. Tokens are kept in half
    precision, on the CPU; `unreadable` names the samples that are missing.
    """

    x: Float[Tensor, "n r c d"]
    truth: Mapping[str, Tensor]
    steps: int
    unreadable: tuple[str, ...]

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.x) // self.steps

    def known(self, truth: Truth) -> Tensor:
        """One of the truths, with a ValueError where the data set does not give it."""
        if truth not in self.truth:
            raise ValueError(
                f'this probe asks for the {truth} of every pixel, and samples hold no "{truth}"; a data set gives it '
                'beside "x", as Scenes does with truth=True'
            )
        return self.truth[truth]


def encode_grids(encoder: Encoder, dataset: Dataset, size: int = 64) -> Grids:
    """The tokens of the last level of all samples, in evaluation mode, `size` samples at a time.

    Samples are pictures [c h w] with a truth [h w], or clips [c t h w] with a truth [t h w]. Raises ValueError if none
    can be read, if tokens are on no grid, and for a truth that does not fit them.
    """
    remembering, device = _Remembering(dataset), device_of(encoder)
    grids, truths, unreadable = [], [], []
    with evaluating(encoder), torch.inference_mode():
        for read in batches(remembering, range(len(dataset)), size):
            unreadable.extend(read.unreadable)
            if read.index:
                grids.append(lay_out(encoder(read.x.to(device))).half().cpu())
                steps, rows, columns = grids[-1].shape[1:4]
                for index in read.index:
                    truth = remembering.truths.pop(index)
                    truths.append(_at_steps(truth, steps, (rows, columns), dataset.name(index)))
    if not grids:
        raise ValueError(f"none of the {len(dataset)} samples can be read, so there is nothing to train a head on")
    # A clone made outside of inference mode is an ordinary tensor, which heads can be trained on.
    x, names = torch.cat(grids).clone(), truths[0].keys()
    whole = {name: torch.cat([truth[name] for truth in truths]) for name in names}
    return Grids(x.flatten(0, 1), whole, x.shape[1], tuple(unreadable))


def lay_out(tokens: Tokens) -> Float[Tensor, "b t r c d"]:
    """Every token at its place. Raises ValueError if they are not exactly one at each place of a grid."""
    extent, count = tokens.extent, tokens.values.shape[1]
    if extent is None or len(extent) not in (2, 3):
        raise ValueError(f"a dense probe needs tokens on a grid of rows and columns, these have the extent {extent}")
    strides = torch.tensor([math.prod(extent[axis + 1 :]) for axis in range(len(extent))]).to(tokens.coords)
    places = (tokens.coords * strides).sum(dim=2).round().long()
    order = places.argsort(dim=1)
    every = torch.arange(count, device=places.device)
    if count != math.prod(extent) or not places.gather(1, order).eq(every).all() or not tokens.valid_or_ones().all():
        raise ValueError(f"a dense probe needs one token at each place of a grid of {extent}, these are {count} others")
    return gather(tokens.values, order).unflatten(1, (*(1,) * (3 - len(extent)), *extent))


class _Remembering:
    """A data set that keeps the truths of what was read from it: `batches` hands on "x" and "label" alone."""

    labels: Int[Tensor, "n"] | None = None
    classes: tuple[str, ...] | None = None

    def __init__(self, whole: Dataset) -> None:
        self.whole = whole
        self.truths: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.whole)

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        sample = self.whole.get(index, epoch, seed)
        self.truths[index] = {name: sample[name] for name in TRUTHS if name in sample}
        return {"x": sample["x"]}

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        return self.whole.order(epoch, seed)

    def name(self, index: int) -> str:
        return self.whole.name(index)


def _at_steps(truth: Mapping[str, Tensor], steps: int, grid: tuple[int, int], name: str) -> dict[str, Tensor]:
    """The truth at the first of the frames that each step of the grid spans: [steps h w]."""
    found = {}
    for kind, frames in truth.items():
        frames = frames.unsqueeze(0) if frames.dim() == 2 else frames
        if frames.dim() != 3 or frames.shape[0] % steps or frames.shape[1] % grid[0] or frames.shape[2] % grid[1]:
            raise ValueError(
                f"the {kind} of {name} has the shape {tuple(frames.shape)}, which {steps} steps of {grid[0]} x "
                f"{grid[1]} tokens do not divide evenly"
            )
        found[kind] = frames[:: frames.shape[0] // steps].to(torch.int16 if kind == "mask" else torch.float32)
    return found
