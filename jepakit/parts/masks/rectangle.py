"""Masks of different sizes -> one rectangle of indices."""

from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

Rectangular = Literal["first", "random", "pad"]


def rectangle(mask: Bool[Tensor, "*b n"], how: Rectangular, generator: Generator) -> Int[Tensor, "*b k"]:
    """The places that are set in each row of `mask`, as rows of equal length in raster order.

    "first" keeps as many of the first places as the smallest row has: the released I-JEPA, which so drops the bottom
    of the picture. "random" keeps a random subset of that size. "pad" keeps all and fills up with -1.
    """
    places = mask.shape[-1]
    counts = mask.sum(dim=-1)
    order = torch.arange(places).expand(mask.shape)
    if how == "pad":
        indices = torch.where(mask, order, places).sort(dim=-1).values[..., : int(counts.max())]
        return torch.where(indices < places, indices, -1)
    size = int(counts.min())
    if how == "random":
        ranks = torch.rand(mask.shape, generator=generator).masked_fill(~mask, 2.0)
        return ranks.argsort(dim=-1)[..., :size].sort(dim=-1).values
    return torch.where(mask, order, places).sort(dim=-1).values[..., :size]
