"""Batch normalization over the global batch: the embedding of a sample does not depend on the number of ranks."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.collective import ranks, sum_over_ranks


class BatchNorm(nn.Module):
    """Every feature with mean 0 and variance 1 over all samples of all ranks (Ioffe and Szegedy, 1502.03167).

    Evaluation uses averages of what training saw. `torch.nn.SyncBatchNorm` does so too, but on GPUs alone. With
    `affine=False` there are no scale and shift to learn.
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, dim: int, affine: bool = True, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim)) if affine else None
        self.bias = nn.Parameter(torch.zeros(dim)) if affine else None
        self.momentum, self.eps = momentum, eps
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_variance", torch.ones(dim))

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_variance, self.weight, self.bias, eps=self.eps)
        mean, variance, count = moments(x)
        with torch.no_grad():
            unbiased = variance * (count / (count - 1).clamp(min=1))
            self.running_mean.lerp_(mean, self.momentum)
            self.running_variance.lerp_(unbiased, self.momentum)
        scaled = (x - mean) * (variance + self.eps).rsqrt()
        return scaled if self.weight is None or self.bias is None else scaled * self.weight + self.bias


def moments(x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "d"], Float[Tensor, "d"], Float[Tensor, ""]]:
    """Mean and variance of each feature over the global batch, and the number of samples in it.

    Two sums, one after the other: the variance as a mean of squares minus a squared mean would lose its digits. Raises
    ValueError for a sample alone, of which nothing would be left.
    """
    if len(x) < 2 and ranks() == 1:
        raise ValueError("batch normalization compares samples, and got one: choose a --batch of 2 or more")
    sums = sum_over_ranks(torch.cat([x.sum(dim=0), x.new_tensor([len(x)])]))
    count = sums[-1]
    mean = sums[:-1] / count
    return mean, sum_over_ranks((x - mean).square().sum(dim=0)) / count, count
