"""Amortized inference: a network that reads context and answer, and says what the latent variable is."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import Position
from jepakit.parts.nn.transformer import Transformer
from jepakit.tokens import Tokens


class Reader(nn.Module):
    """A summary token attends to all tokens of context and answer; `outputs` numbers are read off it.

    Coordinates of the answer go on where those of the context end, as in `methods.dynamics`.
    """

    def __init__(self, dim: int, position: Position, encoder: Transformer, width: int, outputs: int) -> None:
        super().__init__()
        self.context_embedding, self.answer_embedding = Linear(dim, width), Linear(dim, width)
        self.summary = nn.Parameter(torch.zeros(width))
        self.position, self.encoder = position, encoder
        self.projection = Linear(width, outputs)

    def forward(self, context: Tokens, answer: Tokens) -> Float[Tensor, "b e"]:
        """What the answer adds to the context. No gradient flows back into either: z is told, it does not tell."""
        assert context.extent is not None, "positions are looked up on the grid of the context"
        assert answer.extent is not None, "the answer says how far behind the context it reaches"
        extent, beyond = context.extent, answer.extent[0]
        seen = context.with_values(self.context_embedding(context.values.detach()))
        told = answer.with_values(self.answer_embedding(answer.values.detach()))
        values = torch.cat([
            self.position.add(seen.values, seen.coords, extent),
            self.position.add(told.values, told.coords, extent, beyond),
            self.summary.expand(len(context.values), 1, -1),
        ], dim=1)  # fmt: skip
        coords = torch.cat([seen.coords, told.coords, torch.zeros_like(seen.coords[:, :1])], dim=1)
        valid = None
        if seen.valid is not None or told.valid is not None:
            everyone = torch.ones_like(seen.valid_or_ones()[:, :1])
            valid = torch.cat([seen.valid_or_ones(), told.valid_or_ones(), everyone], dim=1)
        rotation = self.position.rotation(coords, extent, beyond)
        read = self.encoder(Tokens(values, coords, valid, extent), last=1, rotation=rotation)
        return self.projection(read.values[:, 0])

    def flops(self, context: int, answer: int) -> int:
        """Operations of one sample of so many tokens, forward."""
        embeddings = self.context_embedding.weight.numel() * (context + answer)
        return 2 * (embeddings + self.projection.weight.numel()) + self.encoder.flops(context + answer + 1, last=1)
