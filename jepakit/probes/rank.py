"""How many directions do embeddings use? Meters that need no labels: what tells collapse while the loss looks fine.

All take embeddings of any float type, compute in float64 and never return NaN for finite input: embeddings that are
all the same point are the limit of a single direction and are read as such.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def feature_std(x: Float[Tensor, "n d"]) -> float:
    """The standard deviation of each feature over the samples, averaged over the features; 0 is a collapse."""
    return _finite(x).std(dim=0, correction=0).mean().item()


def mean_cosine(x: Float[Tensor, "n d"]) -> float:
    """The mean cosine between different samples; 1 is a collapse to one direction."""
    units = torch.nn.functional.normalize(_finite(x), dim=1)
    count = len(units)
    if count < 2:
        raise ValueError(f"the mean cosine compares different samples, got {count} of them; give at least 2")
    return ((units.sum(dim=0).square().sum() - units.square().sum()) / (count * (count - 1))).item()


def spectrum(x: Float[Tensor, "n d"]) -> Float[Tensor, "k"]:
    """The eigenvalues of the covariance of the features, largest first: min(n - 1, d) of them."""
    x = _finite(x)
    centered = x - x.mean(dim=0)
    kept = max(min(len(x) - 1, x.shape[1]), 1)
    return _squared_singular_values(centered)[:kept] / len(x)


def rank_me(x: Float[Tensor, "n d"]) -> float:
    """RankMe: the exponential of the entropy of the normalised singular values, between 1 and min(n, d).

    Garrido et al. 2023 (2210.02885), equation 1. The paper adds 1e-7 to every share to keep the logarithm finite;
    here a share of 0 contributes its limit, 0. Embeddings that are all zero use no direction: 0.
    """
    return _exponential_entropy(_squared_singular_values(_finite(x)).sqrt())


def alpha_req(x: Float[Tensor, "n d"], floor: float = 1e-10) -> float:
    """alpha-ReQ: how fast the spectrum of the covariance decays, as the exponent of a power law in the rank.

    Agrawal et al. 2022 (2202.05808): about 1 is healthy, far above 1 is a collapse to few directions, near 0 is white.
    A straight line through (log rank, log eigenvalue); rank i weighs 1/i, so that every octave of ranks counts alike
    and the many small eigenvalues do not outvote the few large ones. Eigenvalues below `floor` of the largest count
    as `floor`: directions that died make the exponent large instead of undefined.
    """
    values = spectrum(x)
    if len(values) < 2:
        raise ValueError(
            f"alpha-ReQ fits a line through the spectrum, which needs 3 samples of 2 features, got {x.shape}"
        )
    shares = torch.zeros_like(values) if values[0] == 0 else values / values[0]
    shares[0] = 1
    height = shares.clamp(min=floor).log()
    rank = torch.arange(1, len(values) + 1, dtype=torch.float64, device=values.device)
    weight = (1 / rank) / (1 / rank).sum()
    run = rank.log() - (weight * rank.log()).sum()
    return -((weight * run * height).sum() / (weight * run.square()).sum()).item()


def lidar(x: Float[Tensor, "s v d"], delta: float = 1e-4) -> float:
    """LiDAR: how many directions tell samples apart, measured against how much views of one sample differ.

    `x` holds v views of each of s samples. Thilak et al. 2023 (2312.04000), equations 1 to 3: the exponential of the
    entropy of the eigenvalues of Sw^-1/2 Sb Sw^-1/2 (Sb: covariance of the samples' means, Sw: covariance within
    samples plus `delta` on its diagonal). At most min(s - 1, d); 0 if all samples have the same mean.
    """
    samples, views, width = x.shape
    if samples < 2 or views < 2:
        raise ValueError(
            f"LiDAR compares views of samples: give at least 2 samples of 2 views, got {samples} of {views}"
        )
    x = _finite(x)
    means = x.mean(dim=1)
    inside = (x - means.unsqueeze(1)).reshape(-1, width)
    within = inside.T @ inside / len(inside) + delta * torch.eye(width, dtype=x.dtype, device=x.device)
    between = means - means.mean(dim=0)
    # With Sw = L L^T, L^-1 Sb L^-T has the eigenvalues of Sw^-1/2 Sb Sw^-1/2, and no square root of a matrix is needed.
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(within), between.T, upper=False)
    return _exponential_entropy(_squared_singular_values(whitened))


def _finite(x: Tensor) -> Tensor:
    """`x` in float64, without gradients."""
    x = x.detach().double()
    if not x.isfinite().all():
        raise ValueError(
            f"the embeddings hold {(~x.isfinite()).sum()} values that are not finite, so no rank can be read"
        )
    return x


def _squared_singular_values(x: Float[Tensor, "n d"]) -> Float[Tensor, "k"]:
    """Largest first; exactly 0 below the rounding error of the largest.

    Eigenvalues of the smaller Gram matrix: several times faster than singular values, and read while training.
    """
    scale = x.abs().max()
    if scale == 0:
        return x.new_zeros(min(x.shape))
    x = x / scale
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    values = torch.linalg.eigvalsh(gram).flip(0)
    rounding = values[0] * max(x.shape) * torch.finfo(values.dtype).eps
    return torch.where(values > rounding, values, 0) * scale.square()


def _exponential_entropy(shares: Float[Tensor, "k"]) -> float:
    total = shares.sum()
    if total == 0:
        return 0.0
    shares = shares / total
    return math.exp(torch.special.entr(shares).sum().item())
