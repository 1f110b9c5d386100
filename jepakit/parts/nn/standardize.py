"""Actions and what a body feels, in numbers of one size: plans are in real units, networks are not."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.collective import sum_over_ranks

MOST = 1e6
"""Vectors after which the mean moves no slower: float32 counts no further than 16 million."""


class Standardize(nn.Module):
    """Numbers with mean 0 and deviation 1, by the moments of all that training has shown so far, on all ranks.

    The moments are buffers: every checkpoint carries them, and nobody has to compute or pass them. A number that does
    not vary keeps its size. With `learns=False` it does nothing: for weights that were trained on raw numbers.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, dim: int, learns: bool = True) -> None:
        super().__init__()
        self.dim, self.learns = dim, learns
        if learns:
            self.register_buffer("mean", torch.zeros(dim))
            self.register_buffer("variance", torch.ones(dim))
            self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Float[Tensor, "*n a"]) -> Float[Tensor, "*n a"]:
        """Standardized. Raises ValueError for another number of numbers than it was made for."""
        self._require(x)
        return (x - self.mean) / self.deviation if self.learns else x

    def restore(self, z: Float[Tensor, "*n a"]) -> Float[Tensor, "*n a"]:
        """Back in real units: the inverse of the call."""
        return z * self.deviation + self.mean if self.learns else z

    @property
    def deviation(self) -> Float[Tensor, " a"]:
        """What numbers are divided by."""
        return torch.where(self.variance > 1e-12, self.variance, 1.0).sqrt()

    @torch.no_grad()
    def learn(self, x: Float[Tensor, "*n a"]) -> None:
        """Takes the vectors of one step into account; equal to the moments of all vectors so far (Chan et al. 1983)."""
        self._require(x)
        if not self.learns:
            return
        rows = x.flatten(0, -2).to(self.mean)
        sums = sum_over_ranks(torch.cat([rows.sum(dim=0), rows.new_tensor([len(rows)])]))
        new, mean = sums[-1], sums[:-1] / sums[-1]
        variance = sum_over_ranks((rows - mean).square().sum(dim=0)) / new
        share = new / (self.count + new)
        gap = mean - self.mean
        self.variance.lerp_(variance, share).add_(share * (1 - share) * gap.square())
        self.mean.lerp_(mean, share)
        self.count.add_(new).clamp_(max=MOST)

    def _require(self, x: Float[Tensor, "*n a"]) -> None:
        if x.shape[-1] != self.dim:
            raise ValueError(
                f"the model was made for vectors of {self.dim} numbers and these have {x.shape[-1]}: `action` and "
                "`proprio` say how many it takes"
            )
