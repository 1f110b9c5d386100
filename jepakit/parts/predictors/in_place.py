"""The predictor of networks that fill in themselves: they saw a learned token where others see nothing."""

import math

from torch import nn

from jepakit.contracts import Prediction
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import raster
from jepakit.tokens import Places, Tokens


class InPlacePredictor(nn.Module):
    """Reads off what the encoder put in each asked place, by one linear layer (data2vec 2202.03555, section 3.3)."""

    def __init__(self, dim: int, answer_dim: int) -> None:
        super().__init__()
        self.projection = Linear(dim, answer_dim)

    def forward(self, context: Tokens, places: Places, family: int = 0) -> Prediction:
        """What is at `places`: [b, m*k] tokens, block after block.

        Raises ValueError for a context with gaps, and for places beyond its grid.
        """
        if places.beyond:
            raise ValueError(
                "this predictor reads off what an encoder filled in, and that knows no place beyond its grid"
            )
        if context.extent is None or math.prod(context.extent) != context.values.shape[1]:
            raise ValueError(
                f"places are read off a whole grid of tokens, and {context.values.shape[1]} of {context.extent} are "
                "here; give MaskedJEPA hides=True"
            )
        found = context.take(raster(places.coords.flatten(1, 2), context.extent))
        valid = None if places.valid is None else places.valid.flatten(1)
        return Prediction(Tokens(self.projection(found.values), found.coords, valid, found.extent))

    def flops(self, context: int, blocks: int, places: int) -> int:
        """Operations of one sample with `blocks` blocks of `places` places each, forward."""
        return 2 * self.projection.weight.numel() * blocks * places
