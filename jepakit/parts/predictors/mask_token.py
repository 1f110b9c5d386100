"""The predictor of the masked family: fills places in, given what was seen."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import GridPosition
from jepakit.parts.nn.transformer import Transformer
from jepakit.tokens import Places, Tokens


class MaskTokenPredictor(nn.Module):
    """A narrow transformer over context tokens and one mask token per asked place (I-JEPA, section 3).

    Each block of places is predicted on its own: its mask tokens see the context and each other, never another block.
    """

    def __init__(
        self,
        dim: int,
        position: GridPosition,
        encoder: Transformer,
        width: int,
        answer_dim: int,
        families: int = 1,
        mask_std: float = 0.02,
    ) -> None:
        super().__init__()
        self.embedding = Linear(dim, width)
        self.mask_tokens = nn.Parameter(torch.empty(families, width))
        nn.init.trunc_normal_(self.mask_tokens, std=mask_std)
        self.position, self.encoder = position, encoder
        self.projection = Linear(width, answer_dim)

    def forward(self, context: Tokens, places: Places, family: int = 0) -> Tokens:
        """What is at `places`: [b, m*k] tokens, block after block. `family` picks the mask token."""
        b, m, k, _ = places.coords.shape
        assert context.extent is not None, "positions are looked up on the grid of the context"
        seen = self.embedding(context.values) + self.position(context.coords, context.extent)
        asked = self.mask_tokens[family] + self.position(places.coords, context.extent)
        values = torch.cat([repeat_blocks(seen, m), asked], dim=2).flatten(0, 1)
        coords = torch.cat([repeat_blocks(context.coords, m), places.coords], dim=2).flatten(0, 1)
        tokens = Tokens(values, coords, self._valid(context, places), context.extent)
        answer = self.encoder(tokens, last=k)
        valid = None if places.valid is None else places.valid.flatten(1)
        return Tokens(
            self.projection(answer.values).view(b, m * k, -1), places.coords.flatten(1, 2), valid, context.extent
        )

    def flops(self, context: int, blocks: int, places: int) -> int:
        """Operations of one sample with `blocks` blocks of `places` places each, forward."""
        outside = self.embedding.weight.numel() * context + self.projection.weight.numel() * blocks * places
        return 2 * outside + blocks * self.encoder.flops(context + places, last=places)

    def _valid(self, context: Tokens, places: Places) -> Tensor | None:
        if context.valid is None and places.valid is None:
            return None
        b, m, k, _ = places.coords.shape
        asked = places.valid if places.valid is not None else context.valid_or_ones().new_ones(b, m, k)
        seen = context.valid_or_ones().unsqueeze(1).expand(-1, m, -1)
        return torch.cat([seen, asked], dim=2).flatten(0, 1)


def repeat_blocks(values: Float[Tensor, "b n d"], blocks: int) -> Float[Tensor, "b m n d"]:
    """The same tokens for each block, without a copy."""
    return values.unsqueeze(1).expand(-1, blocks, -1, -1)
