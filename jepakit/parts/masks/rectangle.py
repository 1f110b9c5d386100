"""Masks of different sizes -> one rectangle of indices."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

Rectangular = Literal["first", "random", "pad"]


def rectangle(mask: Bool[Tensor, "b n"], how: Rectangular, generator: Generator) -> Int[Tensor, "b k"]:
    """The places that are set in each row of `mask`, as rows of equal length in raster order.

    "first" keeps as many of the first places as the smallest row has: the released I-JEPA, which so drops the bottom
    of the picture. "random" keeps a random subset of that size. "pad" keeps all and fills up with -1.
    """
    counts = mask.sum(dim=1)
    least, most = (int(count) for count in counts.aminmax())
    if how == "pad" and least < most:
        indices = torch.full((len(mask), most), -1)
        indices[torch.arange(most) < counts.unsqueeze(1)] = mask.nonzero()[:, 1]
        return indices
    if how == "random" and least < most:
        return smallest(torch.where(mask, torch.rand(mask.shape, generator=generator), 2.0), least)
    return first_places(mask, counts, least)


def first_places(mask: Bool[Tensor, "b n"], counts: Int[Tensor, "b"], size: int) -> Int[Tensor, "b k"]:
    """The first `size` places of each row of a mask, which has so many `counts` of them."""
    found = torch.from_numpy(np.flatnonzero(mask.numpy()))
    starts = counts.cumsum(dim=0) - counts
    return in_columns(found[starts.unsqueeze(1) + torch.arange(size)], mask.shape[1])


def smallest(ranks: Float[Tensor, "b n"], size: int) -> Int[Tensor, "b k"]:
    """The places of the `size` smallest numbers of each row, in raster order."""
    if size == 0:
        return torch.empty(len(ranks), 0, dtype=torch.int64)
    values = ranks.numpy()
    found = np.flatnonzero(values <= np.partition(values, size - 1, axis=1)[:, size - 1 : size])
    if len(found) == len(ranks) * size:
        return in_columns(torch.from_numpy(found).view(-1, size), ranks.shape[1])
    # Two places drew the same number at the limit: sorting takes one of them, at several times the cost.
    return ranks.argsort(dim=1)[:, :size].sort(dim=1).values


def in_columns(places: Int[Tensor, "b k"], width: int) -> Int[Tensor, "b k"]:
    """Places in a whole matrix of so many columns, row by row, as columns."""
    return places - torch.arange(0, len(places) * width, width).unsqueeze(1)
