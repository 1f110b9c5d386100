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
    """A causal transformer on codes, which says how likely each code is that may come next.

    It is told of all `context` tokens side by side, at every place alike: small networks take long to find out by
    attention where to look. `asked` is how many codes there are, for each place has a vector of its own.
    """

    def __init__(self, dim: int, encoder: CausalTransformer, width: int, codes: int, context: int, asked: int) -> None:
        super().__init__()
        self.asked, self.encoder = asked, encoder
        self.embedding, self.codes = Linear(context * dim, width), nn.Embedding(codes, width)
        self.places = LearnedPlaces(asked, 1, width)
        # As large as the rest: with the 0.02 of wide networks, it takes small ones long to notice where they are.
        nn.init.normal_(self.places.vectors, std=1.0)
        self.projection = Linear(width, codes)

    def forward(self, context: Tokens, index: Int[Tensor, "b n"]) -> Float[Tensor, "b n k"]:
        """Logits of every code, each told of the context and of the codes before it.

        Raises ValueError for another number of codes or of tokens than this was made for.
        """
        told = self._tell(context)
        if index.shape[1] != self.asked:
            raise ValueError(f"places were learnt for {self.asked} codes, got {index.shape[1]}")
        before = F.pad(self.codes(index[:, :-1]), (0, 0, 1, 0))
        found, _ = self.encoder(self.places.add((before + told).unsqueeze(2), 0))
        return self.projection(found[:, :, 0])

    @torch.no_grad()
    def draw(self, context: Tokens, count: int, generator: Generator) -> Int[Tensor, "b s n"]:
        """So many drawings for each context, code by code; what is over is remembered, not computed again."""
        told = self._tell(context).repeat_interleave(count, dim=0)
        drawn, before, past = list[Tensor](), torch.zeros_like(told), None
        for place in range(self.asked):
            found, past = self.encoder(self.places.add((before + told).unsqueeze(2), place), past=past)
            odds = self.projection(found[:, 0, 0]).softmax(dim=-1).cpu()
            drawn.append(torch.multinomial(odds, 1, generator=generator).to(told.device))
            before = self.codes(drawn[-1])
        return torch.cat(drawn, dim=1).unflatten(0, (-1, count))

    def lengths(self, context: Tokens, index: Int[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """What it takes to name each code to whom all before is known, in nats."""
        return F.cross_entropy(self(context, index).flatten(0, 1), index.flatten(), reduction="none").view_as(index)

    def flops(self) -> int:
        """Operations of one sample, forward."""
        outside = self.embedding.weight.numel() + self.projection.weight.numel() * self.asked
        return 2 * outside + self.encoder.flops(self.asked, 1)

    def _tell(self, context: Tokens) -> Float[Tensor, "b 1 w"]:
        numbers = context.values.flatten(1)
        if numbers.shape[1] != self.embedding.in_features:
            raise ValueError(f"a context is {self.embedding.in_features} numbers here, got {numbers.shape[1]}; give "
                             f"clips of the size and length that the model was made for")  # fmt: skip
        return self.embedding(numbers).unsqueeze(1)
