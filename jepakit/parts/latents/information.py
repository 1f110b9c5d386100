"""How much a latent variable tells, in nats: divergences of what was inferred from what was expected."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.parts.nn.collective import sum_over_ranks

NATS_PER_BIT = math.log(2)


def in_bits(nats: Float[Tensor, "b"]) -> Float[Tensor, ""]:
    """The mean over samples, in bits."""
    return nats.mean() / NATS_PER_BIT


def code_length(index: Int[Tensor, "b"], prior: Float[Tensor, "b k"]) -> Float[Tensor, "b"]:
    """What it takes to name a code to whom the prior (logits) is known; its mean is never below the information."""
    return F.cross_entropy(prior, index, reduction="none")


def categorical_divergence(posterior: Float[Tensor, "b k"], prior: Float[Tensor, "b k"]) -> Float[Tensor, "b"]:
    """KL(q || p) of two categorical distributions, both given as logits."""
    told = posterior.log_softmax(dim=-1)
    return (told.exp() * (told - prior.log_softmax(dim=-1))).sum(dim=-1)


def gaussian_divergence(mean: Float[Tensor, "b z"], log_std: Float[Tensor, "b z"]) -> Float[Tensor, "b"]:
    """KL of a diagonal Gaussian from the standard one (VAE 1312.6114, appendix B)."""
    return (0.5 * (mean**2 + (2 * log_std).exp() - 1) - log_std).sum(dim=-1)


def laplace_divergence(
    mean: Float[Tensor, "b z"], log_std: Float[Tensor, "z"], log_scale: Float[Tensor, "z"]
) -> Float[Tensor, "b"]:
    """KL of a diagonal Gaussian from a Laplace distribution around 0: E|z| / s + log 2s - log(std sqrt(2 pi e)).

    E|z| is that of a folded normal distribution.
    """
    std = log_std.exp()
    size = std * math.sqrt(2 / math.pi) * (-0.5 * (mean / std) ** 2).exp() + mean * torch.erf(mean / (std * 2**0.5))
    entropy = log_std + 0.5 * math.log(2 * math.pi * math.e)
    return (size / log_scale.exp() + math.log(2) + log_scale - entropy).sum(dim=-1)


def usage_entropy(index: Int[Tensor, "n"], codes: int) -> Float[Tensor, ""]:
    """The entropy of how often each of so many codes was inferred in the global batch: what z tells of no context."""
    counts = sum_over_ranks(torch.bincount(index, minlength=codes).double())
    share = counts / counts.sum().clamp(min=1)
    return -(share * share.clamp(min=1e-300).log()).sum()
