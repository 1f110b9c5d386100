"""Meters of health beside the rank: is everything the same, do features die, does time pass, is the input repeated?

All compute in float64 and give a number for every finite input, as those of `probes.rank` do.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

DEAD = 1e-3
"""A feature that deviates less than this share of the root mean square over all features says nothing beside them."""


def spread(x: Float[Tensor, "n d"]) -> float:
    """The share of the mean squared length of features that differs from sample to sample: 0 is a complete collapse.

    Unlike a standard deviation it does not depend on the scale of the features.
    """
    x = _double(x)
    return _share((x - x.mean(dim=0)).square().sum(), x.square().sum())


def intraclass_correlation(x: Float[Tensor, "s v d"]) -> float:
    """How much more samples differ than views of one: 1 if its views are all the same, about 0 if they are any views.

    ICC(1) of Shrout and Fleiss 1979 over all features together, (B - W) / (B + (v - 1) W) of the mean squares between
    and within samples. Unlike LiDAR it does not depend on the scale of the features, and unlike `spread` it sees that
    what little differs is chance. 0 if nothing differs. Raises ValueError for fewer than 2 samples of 2 views.
    """
    samples, count, _ = x.shape
    if samples < 2 or count < 2:
        raise ValueError(f"views of samples are compared, give at least 2 samples of 2, got {samples} of {count}")
    x = _double(x)
    means = x.mean(dim=1)
    between = count * (means - means.mean(dim=0)).square().sum() / (samples - 1)
    within = (x - means.unsqueeze(1)).square().sum() / (samples * (count - 1))
    return _share(between - within, between + (count - 1) * within)


def dead_share(x: Float[Tensor, "n d"]) -> float:
    """The share of features that are (nearly) the same for all samples, while others are not."""
    deviations = _double(x).std(dim=0, correction=0)
    return (deviations <= DEAD * deviations.square().mean().sqrt()).double().mean().item()


def uniformity(x: Float[Tensor, "n d"], t: float = 2.0) -> float:
    """How evenly features of length 1 lie on the sphere: 0 if all are one point, -2 t in the limit of even ones.

    Wang and Isola 2020 (2005.10242), equation 2: the logarithm of the mean of exp(-t |x - y|^2) over different samples.
    Raises ValueError for fewer than 2 samples.
    """
    if len(x) < 2:
        raise ValueError(f"uniformity compares different samples, got {len(x)} of them; give at least 2")
    squares = F.pdist(F.normalize(_double(x), dim=1)).square()
    return torch.logsumexp(-t * squares, dim=0).item() - math.log(len(squares))


def time_share(grid: Float[Tensor, "s t n d"]) -> float:
    """The share of what differs in clips that differs within a clip, from moment to moment at the same place.

    `grid` holds s clips of t moments of n places. What is the same in all clips (positions) is taken away first. 0
    means that all moments of a clip are the same; clips that are noise have (t - 1) / t.
    """
    grid = _double(grid)
    own = grid - grid.mean(dim=0)
    return _share((own - own.mean(dim=1, keepdim=True)).square().sum(), own.square().sum())


def agreement(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> float:
    """How nearly two lists of tokens are the same: 1 for equal ones, about 0 for unrelated ones.

    Lin's concordance (1989) over all features: 2 cov(x, y) / (var x + var y + (mean x - mean y)^2), where every token
    has mean 0 and variance 1 over its features first, so that scale does not count. Tokens that never vary agree fully
    if they are equal.
    """
    x, y = (F.layer_norm(_double(part), part.shape[-1:]) for part in (x, y))
    apart = (x - y).square().sum()
    varied = (x - x.mean(dim=0)).square().sum() + (y - y.mean(dim=0)).square().sum()
    between = len(x) * (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    whole = varied + between
    return 1 - _share(apart, whole) if whole > 0 else 1.0


def distance(ours: Iterable[Tensor], theirs: Iterable[Tensor]) -> float:
    """How far apart two lists of weights are, as a share of the length of the second."""
    apart = length = 0.0
    for mine, other in zip(ours, theirs, strict=True):
        apart += (_double(mine) - _double(other)).square().sum().item()
        length += _double(other).square().sum().item()
    return (apart / length) ** 0.5 if length else 0.0


def _double(x: Tensor) -> Tensor:
    return x.detach().double()


def _share(part: Tensor, whole: Tensor) -> float:
    return (part / whole).item() if whole > 0 else 0.0
