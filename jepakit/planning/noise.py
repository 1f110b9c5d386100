"""What candidates differ by: noise of one generator per episode, white or colored along the steps of a plan."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor


def draw_noise(shape: tuple[int, int, int], generators: Sequence[Generator], color: float) -> Float[Tensor, "b s h a"]:
    """Normal noise of variance 1 for each episode. Its power falls with frequency to the power of `color`: 0 is white.

    Colored noise makes candidates that keep a direction for a while and so get somewhere, where white noise dithers
    (iCEM: Pinneri et al. 2020, 2008.06389, section 3.1).
    """
    noise = torch.empty(len(generators), *shape)
    for rows, generator in zip(noise, generators, strict=True):
        rows.normal_(generator=generator)
    if color == 0 or shape[1] < 2:
        return noise
    return torch.matmul(coloring(shape[1], color), noise)


def coloring(horizon: int, color: float) -> Float[Tensor, "h h"]:
    """The matrix that colors `horizon` steps of white noise, each of which keeps variance 1.

    It scales the frequencies f of a Fourier transform by f^(-color / 2); the lowest one counts as 1 / horizon, since
    0 would have infinite power. Steps are taken as a circle, so all of them have the same variance.
    """
    frequencies = torch.fft.rfftfreq(horizon, dtype=torch.float64).clamp(min=1 / horizon)
    scale = frequencies ** (-color / 2)
    whole = torch.fft.irfft(scale[:, None] * torch.fft.rfft(torch.eye(horizon, dtype=torch.float64), dim=0), horizon, 0)
    return (whole / whole.norm(dim=1, keepdim=True)).float()
