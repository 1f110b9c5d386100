"""How badly a prediction fits: one number per sample, over its valid tokens. Loss, planning cost and surprise alike."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from jepakit.tokens import Tokens


def smooth_l1(prediction: Tokens, target: Tokens) -> Float[Tensor, "b"]:
    """Huber's loss with beta 1 (I-JEPA's released code; the paper's text says squared error)."""
    return _average(F.smooth_l1_loss(prediction.values, target.values, reduction="none"), target.valid)


def l1(prediction: Tokens, target: Tokens) -> Float[Tensor, "b"]:
    """Mean absolute difference (V-JEPA, 2404.08471, equation 1)."""
    return _average(F.l1_loss(prediction.values, target.values, reduction="none"), target.valid)


def l2(prediction: Tokens, target: Tokens) -> Float[Tensor, "b"]:
    """Mean squared difference (I-JEPA's paper, section 3)."""
    return _average(F.mse_loss(prediction.values, target.values, reduction="none"), target.valid)


def cosine(prediction: Tokens, target: Tokens) -> Float[Tensor, "b"]:
    """One minus the cosine of the angle between prediction and target."""
    angle = 1 - F.cosine_similarity(prediction.values, target.values, dim=-1)
    return _average(angle.unsqueeze(-1), target.valid)


def _average(error: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None) -> Float[Tensor, "b"]:
    if valid is None:
        return error.mean(dim=(1, 2))
    weight = valid.unsqueeze(-1).to(error.dtype)
    return (error * weight).sum(dim=(1, 2)) / (weight.sum(dim=(1, 2)).clamp(min=1) * error.shape[-1])
