"""Dynamics whose state is the representation itself: a gated unit that an action drives on (PLDM, EB-JEPA)."""

from torch import nn

from jepakit.parts.predictors.dynamics import Conditions, Dynamics
from jepakit.parts.predictors.residual import beside
from jepakit.tokens import Tokens


class RecurrentDynamics(Dynamics):
    """z' = GRU(what is told, z): the hidden state of the unit is the latent, so nothing else is remembered.

    Every token by itself, so a frame should be one token (PLDM 2502.14819, two rooms; EB-JEPA 2602.03604).
    """

    def __init__(self, dim: int, told: int) -> None:
        super().__init__()
        self.unit = nn.GRUCell(told, dim)

    def forward(self, frames: Tokens, told: Conditions) -> Tokens:
        driven, state = beside(frames, told.together()).flatten(0, 1), frames.values.flatten(0, 1)
        return frames.with_values(self.unit(driven, state).view(frames.values.shape))

    def flops(self, frames: int, tokens: int) -> int:
        """Operations of one sample of so many frames of so many tokens, forward."""
        return 2 * frames * tokens * (self.unit.weight_ih.numel() + self.unit.weight_hh.numel())
