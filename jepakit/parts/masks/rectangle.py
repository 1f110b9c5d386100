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
    least, most = int(counts.min()), int(counts.max())
    if least == most:
        return places(mask, least)
    if how == "pad":
        indices = torch.full((len(mask), most), -1)
        indices[torch.arange(most) < counts.unsqueeze(1)] = mask.nonzero()[:, 1]
        return indices
    if how == "random":
        return smallest(torch.rand(mask.shape, generator=generator).masked_fill_(~mask, 2.0), least)
    return places(mask & (mask.cumsum(dim=1) <= least), least)


def places(mask: Bool[Tensor, "b n"], size: int) -> Int[Tensor, "b k"]:
    """The places of a mask that has `size` of them in every row."""
    flat = torch.from_numpy(np.flatnonzero(mask.numpy())).view(len(mask), size)
    return flat - torch.arange(0, mask.numel(), mask.shape[1]).unsqueeze(1)


def smallest(ranks: Float[Tensor, "b n"], size: int) -> Int[Tensor, "b k"]:
    """The places of the `size` smallest numbers of each row, in raster order."""
    if size == 0:
        return torch.empty(len(ranks), 0, dtype=torch.int64)
    limit = np.partition(ranks.numpy(), size - 1, axis=1)[:, size - 1 : size]
    chosen = ranks <= torch.from_numpy(limit)
    if int(chosen.sum()) == len(ranks) * size:
        return places(chosen, size)
    # Two places drew the same number at the limit: sorting takes one of them, at several times the cost.
    return ranks.argsort(dim=1)[:, :size].sort(dim=1).values
