"""Noise of latent variables: drawn for the global batch, so that it depends on no number of ranks or micro-batches."""

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import Step


def draw(step: Step, numbers: int, normal: bool = False) -> Float[Tensor, "b e"]:
    """So many random numbers for each sample held, on the CPU: uniform in [0, 1), or normal."""
    make = torch.randn if normal else torch.rand
    return make(step.rows.total, numbers, generator=step.shared)[step.rows.first : step.rows.first + step.rows.count]
