"""Latent variables with finitely many values: a question has so many possible answers, and z says which.

All hold a codebook, and a prior that guesses from the context which code it will be. The prior learns beside the rest
and changes nothing of it: it is what makes drawing possible, and the length of its messages what z tells, in bits.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from jepakit.contracts import EnergyOf, Inferred, Step
from jepakit.parts.latents.chance import draw
from jepakit.parts.latents.inference import search_codes
from jepakit.parts.latents.information import categorical_divergence, code_length
from jepakit.parts.latents.reader import Reader
from jepakit.parts.nn.linear import Linear
from jepakit.tokens import Tokens


class Codebook(nn.Module):
    """So many codes of `width` numbers, and their prior given a context of width `dim`."""

    def __init__(self, codes: int, width: int, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(codes, width))
        self.hidden, self.prior = Linear(dim, dim), Linear(dim, codes)

    def expect(self, context: Tokens) -> Float[Tensor, "b k"]:
        """Logits of the codes before the answer is known. No gradient enters the context."""
        return self.prior(F.gelu(self.hidden(context.pooled().detach())))

    def draw(self, context: Tokens, count: int, generator: Generator) -> Float[Tensor, "b s z"]:
        """So many codes from the prior of each context, with their repetitions."""
        odds = self.expect(context).softmax(dim=-1).cpu()
        index = torch.multinomial(odds, count, replacement=True, generator=generator)
        return F.embedding(index.to(self.vectors.device), self.vectors)

    @torch.no_grad()
    def nearest(self, z: Float[Tensor, "b z"]) -> Int[Tensor, "b"]:
        """Which code lies nearest."""
        return torch.cdist(z, self.vectors).argmin(dim=1)


class Codes(nn.Module):
    """What all codes have in common: they are drawn from the prior, and the best one is found by trying all."""

    def __init__(self, book: Codebook) -> None:
        super().__init__()
        self.book, self.width = book, book.vectors.shape[1]

    def sample(self, context: Tokens, count: int, generator: Generator) -> Float[Tensor, "b s z"]:
        return self.book.draw(context, count, generator)

    def search(self, context: Tokens, answer: Tokens, energy: EnergyOf) -> Float[Tensor, "b z"]:
        return self.book.vectors[search_codes(energy, self.book.vectors, len(context.values))]


class SearchedCodes(Codes):
    """z is the code of least energy: all are tried, none is inferred by a network, and only the best one learns.

    A share `explore` of the samples takes a code by lot, so that none is left behind for good: what relaxed
    winner-takes-all gives to losers in every sample (Rupprecht et al. 2017, arXiv 1612.00197), for the
    price of one gradient.
    """

    def __init__(self, book: Codebook, explore: float) -> None:
        super().__init__(book)
        if not 0 <= explore < 1:
            raise ValueError(f"explore is a share of samples from 0 up to 1, got {explore}")
        self.explore = explore

    def infer(self, context: Tokens, answer: Tokens, energy: EnergyOf, step: Step) -> Inferred:
        vectors = self.book.vectors
        best = search_codes(energy, vectors.detach(), len(context.values))
        nats = code_length(best, self.book.expect(context))
        lot = draw(step, 2).to(vectors.device)
        index = torch.where(lot[:, 0] < self.explore, (lot[:, 1] * len(vectors)).long(), best)
        return Inferred(F.embedding(index, vectors), nats, nats)

    def flops(self, context: int, answer: int, prediction: int) -> int:
        """One prediction for each code."""
        return len(self.book.vectors) * prediction


class CategoricalCodes(Codes):
    """A reader says how likely each code is; one is drawn, and gradients pass through as if it were a mixture.

    Straight-through Gumbel-softmax (Jang et al. 2017, arXiv 1611.01144, section 2.2). `price` is what a nat costs.
    """

    def __init__(self, book: Codebook, reader: Reader, temperature: float, price: float) -> None:
        super().__init__(book)
        if temperature <= 0:
            raise ValueError(f"temperature is above 0, got {temperature}")
        self.reader, self.temperature, self.price = reader, temperature, price

    def infer(self, context: Tokens, answer: Tokens, energy: EnergyOf, step: Step) -> Inferred:
        told, expected = self.reader(context, answer), self.book.expect(context)
        gumbel = -(-draw(step, told.shape[1]).clamp(min=1e-20).log()).clamp(min=1e-20).log()
        soft = ((told + gumbel.to(told)) / self.temperature).softmax(dim=-1)
        hard = F.one_hot(soft.argmax(dim=-1), soft.shape[-1]).to(soft)
        nats = categorical_divergence(told, expected)
        learning = categorical_divergence(told.detach(), expected)
        priced = self.price * categorical_divergence(told, expected.detach())
        return Inferred((hard - soft.detach() + soft) @ self.book.vectors, nats, learning + priced)

    def flops(self, context: int, answer: int, prediction: int) -> int:
        """The reader, forward and backward."""
        return 3 * self.reader.flops(context, answer)


class QuantizedCodes(Codes):
    """A reader gives a vector, which is replaced by the nearest code (VQ-VAE 1711.00937, section 3.2, equation 3).

    The gradient of z goes to the vector; codes move towards the vectors that chose them, and vectors are held near
    their codes by `commitment`. Codes begin close together, as in the code of the paper's authors: far apart, the one
    that all vectors begin at is never left.
    """

    def __init__(self, book: Codebook, reader: Reader, commitment: float = 0.25) -> None:
        super().__init__(book)
        self.reader, self.commitment = reader, commitment
        near = 1 / len(book.vectors)
        nn.init.uniform_(book.vectors, -near, near)

    def infer(self, context: Tokens, answer: Tokens, energy: EnergyOf, step: Step) -> Inferred:
        told = self.reader(context, answer)
        index = self.book.nearest(told)
        code = F.embedding(index, self.book.vectors)
        nats = code_length(index, self.book.expect(context))
        moving = ((code - told.detach()) ** 2).mean(dim=1)
        staying = self.commitment * ((told - code.detach()) ** 2).mean(dim=1)
        return Inferred(told + (code - told).detach(), nats, nats + moving + staying)

    def flops(self, context: int, answer: int, prediction: int) -> int:
        """The reader, forward and backward."""
        return 3 * self.reader.flops(context, answer)
