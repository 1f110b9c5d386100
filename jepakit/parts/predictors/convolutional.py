"""Dynamics of maps: what is near to a place decides what is there next (PLDM 2502.14819, mazes)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear
from jepakit.parts.predictors.dynamics import Conditions, Dynamics
from jepakit.tokens import Tokens


class ConvDynamics(Dynamics):
    """z' = z + convolutions of (z, what is told, spread over the map); the last one begins at zero.

    Few parameters, shared by all places, so that a maze that was never seen is predicted as those that were.
    """

    def __init__(self, dim: int, told: int, width: int = 32, depth: int = 3, spread: int = 8) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"a map goes through 2 convolutions or more, got {depth}")
        self.told = Linear(told, spread)
        widths = (dim + spread, *([width] * (depth - 1)))
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in zip(widths, (*widths[1:], dim), strict=True)
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None  # noqa: PT018
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, frames: Tokens, told: Conditions) -> Tokens:
        assert frames.extent is not None, "maps have sides"
        count, rows, columns = frames.extent
        maps = frames.values.unflatten(1, (count, rows, columns)).flatten(0, 1).movedim(-1, 1)
        spread = self.told(told.together()).flatten(0, 1)[:, :, None, None].expand(-1, -1, rows, columns)
        change = self._change(torch.cat([maps, spread], dim=1))
        return frames.with_values((maps + change).movedim(1, -1).reshape(frames.values.shape))

    def flops(self, frames: int, tokens: int) -> int:
        """Operations of one sample of so many frames of so many tokens, forward."""
        return 2 * frames * tokens * sum(layer.weight.numel() for layer in self.layers if isinstance(layer, nn.Conv2d))

    def _change(self, maps: Tensor) -> Tensor:
        *inner, last = self.layers
        for layer in inner:
            maps = F.gelu(layer(maps))
        return last(maps)
