"""Embeddings of a batch that several ranks hold: sums and values of all of it, in enough precision."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.parts.nn.collective import gather_rows, ranks, sum_over_ranks


def wide(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """In float32 at least: statistics of a batch lose too much in half precision."""
    return x if x.dtype == torch.float64 else x.float()


def require_several(x: Float[Tensor, "... b d"]) -> None:
    """Raises ValueError for a sample alone, of which nothing can be said that takes a batch."""
    if x.shape[-2] < 2 and ranks() == 1:
        raise ValueError("a batch of one sample tells nothing of how samples are spread: choose a --batch of 2 or more")


def count_of(x: Float[Tensor, "... b d"]) -> Float[Tensor, ""]:
    """How many rows all ranks hold of the last axis but one."""
    return sum_over_ranks(x.new_full((), x.shape[-2]))


def mean_of(x: Float[Tensor, "*t b d"]) -> Float[Tensor, ""]:
    """The mean of all numbers in the rows of all ranks, on every rank."""
    return sum_over_ranks(x.sum()) / (count_of(x) * (x.numel() // x.shape[-2]))


@dataclass(frozen=True)
class Samples:
    """r samples of n numbers each. Where they are `spread`, every rank holds other numbers of the same r samples."""

    values: Float[Tensor, "r n"]
    spread: bool = True

    @property
    def count(self) -> Float[Tensor, ""]:
        """How many numbers a sample has."""
        return self.everywhere(self.values.new_full((), self.values.shape[1]))

    def everywhere(self, own: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
        """What this rank counted or summed up, and all others."""
        return sum_over_ranks(own) if self.spread else own

    def mean(self, own: Float[Tensor, "r n"]) -> Float[Tensor, "r 1"]:
        """The mean of each sample of what was computed from its values."""
        return self.everywhere(own.sum(dim=1, keepdim=True)) / self.count

    def sorted(self) -> Float[Tensor, "r m"]:
        """All values of each sample, on every rank, smallest first."""
        whole = gather_rows(self.values.T)[0].T if self.spread else self.values
        return whole.sort(dim=1).values
