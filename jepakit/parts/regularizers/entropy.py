"""Entropy: over a batch, prototypes are chosen equally often."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.contracts import Step
from jepakit.parts.nn.collective import sum_over_ranks
from jepakit.parts.regularizers.samples import count_of, wide


class MeanEntropy(nn.Module):
    """Mean entropy maximization (MSN, 2204.07141, section 3): the mean choice of all views of all samples is uniform.

    How far its entropy lies below the largest there is: 0 where all prototypes are chosen equally often, and the log of
    their number where one is chosen always. Embeddings are scores of prototypes, softened by `temperature`.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        self.temperature = temperature

    def forward(self, embeddings: Float[Tensor, "v b k"], step: Step) -> Float[Tensor, ""]:
        with torch.autocast(embeddings.device.type, enabled=False):
            chosen = (wide(embeddings) / self.temperature).softmax(dim=-1)
            mean = sum_over_ranks(chosen.sum(dim=(0, 1))) / (count_of(chosen) * len(chosen))
            return math.log(len(mean)) + torch.xlogy(mean, mean).sum()
