"""What tells tokens of one modality from those of another."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

VIDEO, IMAGE = 0, 1


class Marks(nn.Module):
    """One vector for tokens of clips, one for tokens of pictures."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(2, dim))
        nn.init.normal_(self.vectors, std=1e-6)

    def forward(self, values: Float[Tensor, "*n d"], modality: int) -> Float[Tensor, "*n d"]:
        """Values that know what they come from."""
        return values + self.vectors[modality]
