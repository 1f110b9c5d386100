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
    return _even(mask, counts, how, _ranks(mask, counts, how, generator))


def rectangles(
    mask: Bool[Tensor, "b n"], how: Rectangular, generator: Generator
) -> tuple[Int[Tensor, "b k"], Int[Tensor, "b l"]]:
    """The places that are set and those that are not, each made a rectangle as by `rectangle`.

    One random number for each place serves both, for no place is on both sides.
    """
    counts = mask.sum(dim=1)
    ranks = _ranks(mask, counts, how, generator)
    return _even(mask, counts, how, ranks), _even(~mask, mask.shape[1] - counts, how, ranks)


def _ranks(
    mask: Bool[Tensor, "b n"], counts: Int[Tensor, "b"], how: Rectangular, generator: Generator
) -> Float[Tensor, "b n"] | None:
    """What decides which places of a row are kept; None where that needs no chance."""
    return torch.rand(mask.shape, generator=generator) if how == "random" and counts.min() < counts.max() else None


def _even(
    mask: Bool[Tensor, "b n"], counts: Int[Tensor, "b"], how: Rectangular, ranks: Float[Tensor, "b n"] | None
) -> Int[Tensor, "b k"]:
    least, most = (int(count) for count in counts.aminmax())
    if how == "pad" and least < most:
        return first_places(mask, counts, most).masked_fill_(torch.arange(most) >= counts.unsqueeze(1), -1)
    if ranks is not None:
        return smallest(torch.where(mask, ranks, 2.0), least)
    return first_places(mask, counts, least)


def first_places(mask: Bool[Tensor, "b n"], counts: Int[Tensor, "b"], size: int) -> Int[Tensor, "b k"]:
    """The first `size` places of each row of a mask, which has so many `counts` of them; anything beyond them."""
    found = np.flatnonzero(mask.numpy())
    wanted = (counts.cumsum(dim=0) - counts).unsqueeze(1) + torch.arange(size)
    # NumPy takes rows of indices at several times the speed of torch.
    return in_columns(torch.from_numpy(found.take(wanted.numpy(), mode="clip")), mask.shape[1])


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
