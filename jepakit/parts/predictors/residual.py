"""Dynamics of worlds that one vector tells all of: an MLP that says what an action changes."""

import torch
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear
from jepakit.parts.predictors.dynamics import Conditions, Dynamics
from jepakit.tokens import Tokens


class ResidualDynamics(Dynamics):
    """z' = z + MLP(z, what is told): every token by itself, so a frame should be one token.

    `hidden` are the widths between, each with a layer norm before its GELU, as TD-MPC2 does it (2310.16828);
    the last layer begins at zero, so that nothing moves before training.
    """

    def __init__(self, dim: int, told: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((dim + told, *hidden[:-1]), hidden, strict=True):
            layers += [Linear(before, width), nn.LayerNorm(width), nn.GELU()]
        last = Linear(hidden[-1], dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.change = nn.Sequential(*layers, last)

    def forward(self, frames: Tokens, told: Conditions) -> Tokens:
        conditions = beside(frames, told.together())
        return frames.with_values(frames.values + self.change(torch.cat([frames.values, conditions], dim=-1)))

    def flops(self, frames: int, tokens: int) -> int:
        """Operations of one sample of so many frames of so many tokens, forward."""
        weights = sum(layer.weight.numel() for layer in self.change if isinstance(layer, nn.Linear))
        return 2 * frames * tokens * weights


def beside(frames: Tokens, told: Tensor) -> Tensor:
    """What is told of each frame, for each of its tokens: [b t c] -> [b t*n c]."""
    size = frames.values.shape[1] // told.shape[1]
    return told if size == 1 else told.repeat_interleave(size, dim=1)
