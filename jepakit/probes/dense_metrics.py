"""Figures of dense probes: of sums over pixels, so that pictures, samples and draws of samples are simply added up."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

NEAR_ENOUGH = 1.25
"""a1 is the share of pixels whose depth is wrong by less than this factor (Eigen et al. 2014, 1406.2283, section 4)."""
DRAWS = 1000


def confusion(found: Int[Tensor, "n h w"], truth: Int[Tensor, "n h w"], classes: int) -> Float[Tensor, "n k k"]:
    """How many pixels of each picture are of a class (row) and were found to be of one (column).

    Where the truth is below 0 nothing is known, and nothing is counted.
    """
    picture = torch.arange(len(truth)).view(-1, 1, 1)
    cell = (picture * classes + truth) * classes + found
    counts = torch.bincount(cell[truth >= 0], minlength=len(truth) * classes**2)
    return counts.view(-1, classes, classes).double()


def iou(confusion: Float[Tensor, "*n k k"]) -> Float[Tensor, "*n k"]:
    """Intersection over union of each class; not a number for a class that neither is there nor was found."""
    both = confusion.diagonal(dim1=-2, dim2=-1)
    return both / (confusion.sum(-1) + confusion.sum(-2) - both)


def depth_sums(found: Float[Tensor, "n h w"], truth: Float[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
    """Of each picture: known pixels, squared errors, errors as shares of the truth, and pixels within NEAR_ENOUGH.

    A depth that is not above 0 and finite is unknown, as holes are in what a sensor of depth records.
    """
    known = is_known(truth)
    truth, found = torch.where(known, truth, 1.0).double(), torch.where(known, found, 1.0).double()
    error = found - truth
    near = known & (torch.maximum(found / truth, truth / found) < NEAR_ENOUGH)
    return torch.stack([part.double().sum((1, 2)) for part in (known, error**2, error.abs() / truth, near)], dim=1)


def is_known(depth: Float[Tensor, "*n"]) -> Tensor:
    """Where there is a depth at all."""
    return depth.isfinite() & (depth > 0)


def rmse(sums: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """The root of the mean squared error over all pixels together."""
    return (sums[..., 1] / sums[..., 0]).sqrt()


def resampled(
    sums: Float[Tensor, "m s"], figure: Callable[[Float[Tensor, "*n s"]], Float[Tensor, "*n"]]
) -> tuple[float, float]:
    """The 95 % interval of a figure over the draw of test samples: percentiles of the bootstrap (Efron 1979)."""
    count = len(sums)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    values = figure(torch.from_numpy(drawn).double() @ sums)
    low, high = torch.nanquantile(values, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
