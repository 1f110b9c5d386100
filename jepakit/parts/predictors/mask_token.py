"""The predictor of the masked family: fills places in, given what was seen."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.contracts import Prediction
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.marks import IMAGE, VIDEO, Marks
from jepakit.parts.nn.position import Position
from jepakit.parts.nn.transformer import Transformer
from jepakit.tokens import Places, Tokens


class MaskTokenPredictor(nn.Module):
    """A narrow transformer over context tokens and one mask token per asked place (I-JEPA, section 3).

    Each block of places is predicted on its own: its mask tokens see the context and each other, never another block.
    `levels` of the encoder side by side go through a hidden layer first. A `dense` predictor says what is at the places
    of the context, too, through a projection of its own. A `marked` one is told which tokens are of pictures, which
    have one time step, and which of clips (all of it V-JEPA 2.1, 2603.14482).
    """

    def __init__(
        self,
        dim: int,
        position: Position,
        encoder: Transformer,
        width: int,
        answer_dim: int,
        families: int = 1,
        mask_std: float = 0.02,
        levels: int = 1,
        dense: bool = False,
        marked: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = embed_levels(dim, levels, width)
        self.mask_tokens = nn.Parameter(torch.zeros(families, width))
        if mask_std:
            nn.init.trunc_normal_(self.mask_tokens, std=mask_std)
        self.position, self.encoder = position, encoder
        self.projection = Linear(width, answer_dim)
        self.context_projection = Linear(width, answer_dim) if dense else None
        self.marks = Marks(width) if marked else None

    def forward(self, context: Tokens, places: Places, family: int = 0) -> Prediction:
        """What is at `places`: [b, m*k] tokens, block after block. `family` picks the mask token.

        A dense predictor is asked for one block, and its answer at the context stands beside.
        """
        b, m, k, _ = places.coords.shape
        extent = context.extent
        assert extent is not None, "positions are looked up on the grid of the context"
        seen = self.position.add(self.embedding(context.values), context.coords, extent)
        asked = self.position.add(self.mask_tokens[family].expand(b, m, k, -1), places.coords, extent, places.beyond)
        values = torch.cat([repeat_blocks(seen, m), asked], dim=2).flatten(0, 1)
        if self.marks is not None:
            values = self.marks(values, IMAGE if extent[0] == 1 else VIDEO)
        coords = torch.cat([repeat_blocks(context.coords, m), places.coords], dim=2).flatten(0, 1)
        tokens = Tokens(values, coords, self._valid(context, places), extent)
        dense = self.context_projection is not None
        rotation = self.position.rotation(coords, extent, places.beyond)
        answer = self.encoder(tokens, last=None if dense else k, rotation=rotation)
        valid = None if places.valid is None else places.valid.flatten(1)
        filled = self.projection(answer.values[:, -k:]).view(b, m * k, -1)
        at_places = Tokens(filled, places.coords.flatten(1, 2), valid, extent)
        return Prediction(at_places, self._at_context(answer, context, m))

    def flops(self, context: int, blocks: int, places: int) -> int:
        """Operations of one sample with `blocks` blocks of `places` places each, forward."""
        embedding = sum(layer.weight.numel() for layer in self.embedding.modules() if isinstance(layer, nn.Linear))
        outside = embedding * context + self.projection.weight.numel() * blocks * places
        dense = self.context_projection is not None
        if self.context_projection is not None:
            outside += self.context_projection.weight.numel() * context
        return 2 * outside + blocks * self.encoder.flops(context + places, last=None if dense else places)

    def _at_context(self, answer: Tokens, context: Tokens, blocks: int) -> Tokens | None:
        if self.context_projection is None:
            return None
        if blocks != 1:
            raise ValueError(f"a dense predictor says once what is at the context, but it was asked {blocks} blocks")
        seen = context.values.shape[1]
        return context.with_values(self.context_projection(answer.values[:, :seen]))

    def _valid(self, context: Tokens, places: Places) -> Tensor | None:
        if context.valid is None and places.valid is None:
            return None
        b, m, k, _ = places.coords.shape
        asked = places.valid if places.valid is not None else context.valid_or_ones().new_ones(b, m, k)
        seen = context.valid_or_ones().unsqueeze(1).expand(-1, m, -1)
        return torch.cat([seen, asked], dim=2).flatten(0, 1)


def embed_levels(dim: int, levels: int, width: int) -> nn.Module:
    """From the width of the encoder to that of the predictor; several levels meet in a hidden layer of one."""
    if levels == 1:
        return Linear(dim, width)
    return nn.Sequential(Linear(levels * dim, dim), nn.GELU(), Linear(dim, width))


def repeat_blocks(values: Float[Tensor, "b n d"], blocks: int) -> Float[Tensor, "b m n d"]:
    """The same tokens for each block, without a copy."""
    return values.unsqueeze(1).expand(-1, blocks, -1, -1)
