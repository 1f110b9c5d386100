"""Masks of different sizes -> one rectangle of indices."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray
from torch import Generator, Tensor

Rectangular = Literal["first", "random", "pad"]


def rectangle(mask: Bool[Tensor, "b n"], how: Rectangular, generator: Generator) -> Int[Tensor, "b k"]:
    """The places that are set in each row of `mask`, as rows of equal length in raster order.

    "first" keeps as many of the first places as the smallest row has: the released I-JEPA, which so drops the bottom
    of the picture. "random" keeps a random subset of that size. "pad" keeps all and fills up with -1.
    """
    counts = mask.sum(dim=1)
    least, most = (int(count) for count in counts.aminmax())
    if least == most:
        return places(mask, least)
    if how == "pad":
        indices = torch.full((len(mask), most), -1)
        indices[torch.arange(most) < counts.unsqueeze(1)] = mask.nonzero()[:, 1]
        return indices
    if how == "random":
        return smallest(torch.where(mask, torch.rand(mask.shape, generator=generator), 2.0), least)
    return places(mask & (mask.cumsum(dim=1) <= least), least)


def places(mask: Bool[Tensor, "b n"], size: int) -> Int[Tensor, "b k"]:
    """The places of a mask that has `size` of them in every row."""
    return _in_rows(np.flatnonzero(mask.numpy()), mask, size)


def smallest(ranks: Float[Tensor, "b n"], size: int) -> Int[Tensor, "b k"]:
    """The places of the `size` smallest numbers of each row, in raster order."""
    if size == 0:
        return torch.empty(len(ranks), 0, dtype=torch.int64)
    values = ranks.numpy()
    found = np.flatnonzero(values <= np.partition(values, size - 1, axis=1)[:, size - 1 : size])
    if len(found) == len(ranks) * size:
        return _in_rows(found, ranks, size)
    # Two places drew the same number at the limit: sorting takes one of them, at several times the cost.
    return ranks.argsort(dim=1)[:, :size].sort(dim=1).values


def _in_rows(found: NDArray[np.intp], matrix: Shaped[Tensor, "b n"], size: int) -> Int[Tensor, "b k"]:
    """Flat places in a matrix, `size` in each row, as columns."""
    starts = torch.arange(0, matrix.numel(), matrix.shape[1])
    return torch.from_numpy(found).view(len(matrix), size) - starts.unsqueeze(1)
