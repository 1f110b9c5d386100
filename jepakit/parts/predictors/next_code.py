"""One code after the other, each foretold from a context and the codes before it (VideoGPT 2104.10157, section 3.2)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from jepakit.parts.nn.causal import CausalTransformer
from jepakit.parts.nn.linear import Linear
from jepakit.parts.predictors.causal import LearnedPlaces
from jepakit.tokens import Tokens


class NextCode(nn.Module):
    """A causal transformer on the tokens of a context, and the codes behind them; it says how likely each code is.

    `context` and `asked` count the tokens of both, for each place has a vector of its own.
    """

    def __init__(self, dim: int, encoder: CausalTransformer, width: int, codes: int, context: int, asked: int) -> None:
        super().__init__()
        self.context, self.asked, self.encoder = context, asked, encoder
        self.embedding, self.codes = Linear(dim, width), nn.Embedding(codes, width)
        # What would stand behind the last code is never asked for, so the last code is never looked at.
        self.places = LearnedPlaces(context + asked - 1, 1, width)
        # As large as the rest: with the 0.02 of wide networks, it takes small ones long to notice where they are.
        nn.init.normal_(self.places.vectors, std=1.0)
        self.projection = Linear(width, codes)

    def forward(self, context: Tokens, index: Int[Tensor, "b n"]) -> Float[Tensor, "b n k"]:
        """Logits of every code, each told of the context and of the codes before it.

        Raises ValueError for another number of codes or of tokens than places were learnt for.
        """
        if (context.values.shape[1], index.shape[1]) != (self.context, self.asked):
            raise ValueError(f"places were learnt for {self.context} tokens and {self.asked} codes behind them, got "
                             f"{context.values.shape[1]} and {index.shape[1]}")  # fmt: skip
        values = torch.cat([self.embedding(context.values), self.codes(index[:, :-1])], dim=1)
        found, _ = self.encoder(self.places.add(values.unsqueeze(2), 0))
        return self.projection(found[:, self.context - 1 :, 0])

    @torch.no_grad()
    def draw(self, context: Tokens, count: int, generator: Generator) -> Int[Tensor, "b s n"]:
        """So many drawings for each context, code by code; what is over is remembered, not computed again."""
        values = self.embedding(context.values).repeat_interleave(count, dim=0).unsqueeze(2)
        found, past = self.encoder(self.places.add(values, 0))
        drawn: list[Tensor] = []
        while True:
            odds = self.projection(found[:, -1, 0]).softmax(dim=-1).cpu()
            drawn.append(torch.multinomial(odds, 1, generator=generator).to(values.device))
            if len(drawn) == self.asked:
                return torch.cat(drawn, dim=1).unflatten(0, (-1, count))
            behind = self.places.add(self.codes(drawn[-1]).unsqueeze(2), self.context + len(drawn) - 1)
            found, past = self.encoder(behind, past=past)

    def lengths(self, context: Tokens, index: Int[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """What it takes to name each code to whom all before is known, in nats."""
        return F.cross_entropy(self(context, index).flatten(0, 1), index.flatten(), reduction="none").view_as(index)

    def flops(self) -> int:
        """Operations of one sample, forward."""
        outside = self.embedding.weight.numel() * self.context + self.projection.weight.numel() * self.asked
        return 2 * outside + self.encoder.flops(self.context + self.asked - 1, 1)
