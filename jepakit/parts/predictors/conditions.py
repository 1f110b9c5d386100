"""Predictors that are told more than what was seen: a latent variable, or an action."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.contracts import Prediction
from jepakit.parts.nn.linear import Linear
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.tokens import Places, Tokens


class ConditionedPredictor(nn.Module):
    """Puts a token for each condition beside the context, at the last moment that was seen: what leads on from there.

    A condition is a vector of `width` numbers, whatever it stands for; several may be given at once. Coordinates of
    condition tokens are (t, 0, 0) (V-JEPA 2-AC, 2506.09985, section 3.1, gives actions a token and the time of the
    frame at which they are taken).
    """

    def __init__(self, inner: MaskTokenPredictor, dim: int, width: int) -> None:
        super().__init__()
        self.inner, self.width = inner, width
        self.condition = Linear(width, dim)

    def forward(
        self, context: Tokens, places: Places, family: int = 0, condition: Float[Tensor, "b q z"] | None = None
    ) -> Prediction:
        """What is at `places`, if `condition` holds. Raises ValueError where a condition is missing."""
        if condition is None:
            raise ValueError(f"this predictor needs a condition of {self.width} numbers for every sample")
        coords = torch.zeros_like(context.coords[:, :1]).repeat(1, condition.shape[1], 1)
        coords[..., 0] = context.coords[..., 0].amax(dim=1, keepdim=True)
        told = Tokens(self.condition(condition), coords, None, context.extent)
        return self.inner(told.cat(context), places, family)

    def flops(self, context: int, blocks: int, places: int) -> int:
        """Operations of one sample with one condition, forward."""
        return 2 * self.condition.weight.numel() + self.inner.flops(context + 1, blocks, places)
