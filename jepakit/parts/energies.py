"""How badly a prediction fits: one number per sample, over its valid tokens. Loss, planning cost and surprise alike."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from jepakit.tokens import Tokens

Weight = Float[Tensor, "b n"] | None
"""What the error of each token is multiplied by."""


def smooth_l1(prediction: Tokens, target: Tokens, weight: Weight = None) -> Float[Tensor, "b"]:
    """Huber's loss with beta 1 (I-JEPA's released code; the paper's text says squared error)."""
    return SmoothL1()(prediction, target, weight)


def l1(prediction: Tokens, target: Tokens, weight: Weight = None) -> Float[Tensor, "b"]:
    """Mean absolute difference (V-JEPA, 2404.08471, equation 1)."""
    return _average(F.l1_loss(prediction.values, target.values, reduction="none"), target.valid, weight)


def l2(prediction: Tokens, target: Tokens, weight: Weight = None) -> Float[Tensor, "b"]:
    """Mean squared difference (I-JEPA's paper, section 3)."""
    return _average(F.mse_loss(prediction.values, target.values, reduction="none"), target.valid, weight)


def root_l2(prediction: Tokens, target: Tokens, weight: Weight = None) -> Float[Tensor, "b"]:
    """The root of the mean squared difference, a distance; where there is none, its gradient is 0."""
    squared = l2(prediction, target, weight)
    return squared.clamp(min=torch.finfo(squared.dtype).tiny).sqrt()


def cosine(prediction: Tokens, target: Tokens, weight: Weight = None) -> Float[Tensor, "b"]:
    """One minus the cosine of the angle between prediction and target."""
    angle = 1 - F.cosine_similarity(prediction.values, target.values, dim=-1)
    return _average(angle.unsqueeze(-1), target.valid, weight)


@dataclass(frozen=True)
class SmoothL1:
    """Squared over twice `beta` below it, and absolute above (data2vec, 2202.03555, section 3.3)."""

    beta: float = 1.0

    def __call__(self, prediction: Tokens, target: Tokens, weight: Weight = None) -> Float[Tensor, "b"]:
        error = F.smooth_l1_loss(prediction.values, target.values, reduction="none", beta=self.beta)
        return _average(error, target.valid, weight)


@dataclass(frozen=True)
class CrossEntropy:
    """The cross-entropy of a choice among prototypes, softened by `temperature`, for an answer that is a distribution
    over them (DINO, 2104.14294, equation 3)."""

    temperature: float = 0.1

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, got {self.temperature}")

    def __call__(self, prediction: Tokens, target: Tokens, weight: Weight = None) -> Float[Tensor, "b"]:
        chances = F.log_softmax(prediction.values / self.temperature, dim=-1)
        return _average(-(target.values * chances).sum(dim=-1, keepdim=True), target.valid, weight)


def _average(error: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None, weight: Weight) -> Float[Tensor, "b"]:
    if weight is not None:
        error = error * weight.unsqueeze(-1)
    if valid is None:
        return error.mean(dim=(1, 2))
    counted = valid.unsqueeze(-1).to(error.dtype)
    return (error * counted).sum(dim=(1, 2)) / (counted.sum(dim=(1, 2)).clamp(min=1) * error.shape[-1])


def nearness(seen: Tokens, hidden: Tokens, unit: int = 1) -> Float[Tensor, "b n"]:
    """One over the square root of the distance from each seen token to the nearest hidden one.

    What V-JEPA 2.1 weights the error at its context by (2603.14482; released code). Distances are counted in units of
    so many grid steps.
    """
    distance = torch.cdist(seen.coords, hidden.coords)
    if hidden.valid is not None:
        distance = distance.masked_fill(~hidden.valid.unsqueeze(1), torch.inf)
    return (distance.amin(dim=2).clamp(min=1.0) / unit).rsqrt()
