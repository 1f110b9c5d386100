"""Means, variances and correlations: what VICReg and Barlow Twins ask of the features of a batch."""

from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.contracts import Step
from jepakit.parts.nn.collective import sum_over_ranks
from jepakit.parts.regularizers.samples import count_of, require_several, wide

Views = Float[Tensor, "v b d"]


class VarianceCovariance(nn.Module):
    """VICReg's two regularizers (2105.04906, equations 1 to 4): features vary, and do not vary together.

    `variance` weighs how far each standard deviation lies below `goal`, `covariance` the squared covariances, both
    averaged over the views. The paper sums over its two views, with 25 and 1: that is 50 and 2 here.
    """

    def __init__(
        self, variance: float = 50.0, covariance: float = 2.0, goal: float = 1.0, epsilon: float = 1e-4
    ) -> None:
        super().__init__()
        self.variance, self.covariance, self.goal, self.epsilon = variance, covariance, goal, epsilon

    def forward(self, embeddings: Views, step: Step) -> Float[Tensor, ""]:
        with torch.autocast(embeddings.device.type, enabled=False):
            centered, _, count = center(wide(embeddings))
            return self.variance * self.lack(centered, count) + self.covariance * common(centered, count)

    def lack(self, centered: Views, count: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """How far the standard deviations lie below the goal, on average (equation 1)."""
        if not self.variance:
            return centered.new_zeros(())
        variance = sum_over_ranks(centered.square().sum(dim=1)) / (count - 1)
        return (self.goal - (variance + self.epsilon).sqrt()).relu().mean()


class CrossCorrelation(nn.Module):
    """Barlow Twins (2103.03230, equations 1 and 2): the correlation of features across two views is the identity.

    Averaged over the pairs of views; `redundancy` is the paper's lambda.
    """

    def __init__(self, redundancy: float = 0.005) -> None:
        super().__init__()
        self.redundancy = redundancy

    def forward(self, embeddings: Views, step: Step) -> Float[Tensor, ""]:
        """Raises ValueError for a single view, for there is nothing to correlate."""
        require_views(embeddings)
        with torch.autocast(embeddings.device.type, enabled=False):
            centered, _, _ = center(wide(embeddings))
            norm = sum_over_ranks(centered.square().sum(dim=1, keepdim=True))
            # A feature that does not vary has no correlation; it is 0 here, with a gradient that is finite.
            units = centered * norm.clamp(min=torch.finfo(norm.dtype).tiny).rsqrt()
            pairs = list(combinations(units, 2))
            correlations = sum_over_ranks(torch.stack([one.T @ other for one, other in pairs]))
            same = correlations.diagonal(dim1=1, dim2=2)
            redundant = correlations.square().sum() - same.square().sum()
            return ((1 - same).square().sum() + self.redundancy * redundant) / len(pairs)


def center(embeddings: Views) -> tuple[Views, Float[Tensor, "v 1 d"], Float[Tensor, ""]]:
    """Embeddings without the mean that each view has over the global batch, that mean, and how many samples it has.

    Raises ValueError for a sample alone.
    """
    require_several(embeddings)
    count = count_of(embeddings)
    mean = sum_over_ranks(embeddings.sum(dim=1, keepdim=True)) / count
    return embeddings - mean, mean, count


def common(centered: Views, count: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The squared covariances of different features over the number of features (VICReg, equations 3 and 4)."""
    covariance = sum_over_ranks(centered.mT @ centered) / (count - 1)
    squares = covariance.square().sum() - covariance.diagonal(dim1=1, dim2=2).square().sum()
    return squares / (centered.shape[2] * len(centered))


def require_views(embeddings: Views) -> None:
    """Raises ValueError for a single view."""
    if len(embeddings) < 2:
        raise ValueError("this loss compares views of a sample and got one view; give the data `views`")
