"""Latent variables that are vectors: what they tell is limited by noise, and by a price on every nat."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.contracts import EnergyOf, Inferred, Step
from jepakit.parts.latents.chance import draw
from jepakit.parts.latents.inference import descend
from jepakit.parts.latents.information import gaussian_divergence, laplace_divergence
from jepakit.parts.latents.reader import Reader
from jepakit.tokens import Tokens

LEAST_LOG_STD = -7.0
"""Noise of a thousandth of the prior: below, what a number tells is bounded by rounding, not by the model."""


class GaussianLatent(nn.Module):
    """A reader gives a mean and a spread; the prior is the standard normal distribution (VAE, 1312.6114).

    The loss pays `price` for each nat. With a price of 0 nothing keeps z from telling the whole answer. `search`
    goes `steps` down the gradient from the mean, and pays the same price for what the prior finds unlikely.
    """

    def __init__(self, reader: Reader, width: int, price: float, steps: int = 50, rate: float = 0.1) -> None:
        super().__init__()
        if price < 0:
            raise ValueError(f"price is what a nat costs, 0 or above, got {price}")
        self.reader, self.width, self.price = reader, width, price
        self.steps, self.rate = steps, rate

    def sample(self, context: Tokens, count: int, generator: Generator) -> Float[Tensor, "b s z"]:
        shape = (len(context.values), count, self.width)
        return torch.randn(shape, generator=generator).to(context.values)

    def infer(self, context: Tokens, answer: Tokens, energy: EnergyOf, step: Step) -> Inferred:
        mean, log_std = self._read(context, answer)
        nats = gaussian_divergence(mean, log_std)
        z = mean + log_std.exp() * draw(step, self.width, normal=True).to(mean)
        return Inferred(z, nats, self.price * nats)

    def search(self, context: Tokens, answer: Tokens, energy: EnergyOf) -> Float[Tensor, "b z"]:
        mean, _ = self._read(context, answer)
        return descend(energy, mean, self.steps, self.rate, lambda z: self.price * 0.5 * (z**2).sum(dim=1))

    def flops(self, context: int, answer: int, prediction: int) -> int:
        """The reader, forward and backward."""
        return 3 * self.reader.flops(context, answer)

    def _read(self, context: Tokens, answer: Tokens) -> tuple[Float[Tensor, "b z"], Float[Tensor, "b z"]]:
        mean, log_std = self.reader(context, answer).chunk(2, dim=-1)
        return mean, log_std.clamp(LEAST_LOG_STD, 2.0)


class SparseLatent(nn.Module):
    """A reader gives a vector, noise of a fixed size is added, and the prior is a Laplace distribution.

    Its scales are learnt, one for each number: what is seldom needed gets a narrow prior, so that using it costs more,
    and falls silent (LeCun 2022, version 0.9.2, section 4.3: sparsity and noise limit the information of z).
    """

    def __init__(
        self, reader: Reader, width: int, price: float, noise: float = 0.1, steps: int = 50, rate: float = 0.05
    ) -> None:
        super().__init__()
        if price < 0 or noise <= 0:
            raise ValueError(f"price is 0 or above and noise above 0, got {price} and {noise}")
        self.reader, self.width, self.price = reader, width, price
        self.steps, self.rate = steps, rate
        self.log_scale = nn.Parameter(torch.zeros(width))
        self.log_noise: Tensor
        self.register_buffer("log_noise", torch.full((width,), noise).log())

    def sample(self, context: Tokens, count: int, generator: Generator) -> Float[Tensor, "b s z"]:
        share = torch.rand(len(context.values), count, self.width, generator=generator).to(context.values) - 0.5
        # The inverse of the Laplace distribution's cumulative function.
        return -self.log_scale.exp() * share.sign() * torch.log1p(-2 * share.abs().clamp(max=0.5 - 1e-7))

    def infer(self, context: Tokens, answer: Tokens, energy: EnergyOf, step: Step) -> Inferred:
        mean = self.reader(context, answer)
        nats = laplace_divergence(mean, self.log_noise, self.log_scale)
        learning = laplace_divergence(mean.detach(), self.log_noise, self.log_scale)
        priced = self.price * laplace_divergence(mean, self.log_noise, self.log_scale.detach())
        z = mean + self.log_noise.exp() * draw(step, self.width, normal=True).to(mean)
        return Inferred(z, nats, learning + priced)

    def search(self, context: Tokens, answer: Tokens, energy: EnergyOf) -> Float[Tensor, "b z"]:
        scale = self.log_scale.exp()
        mean = self.reader(context, answer)
        return descend(energy, mean, self.steps, self.rate, lambda z: self.price * (z.abs() / scale).sum(dim=1))

    def flops(self, context: int, answer: int, prediction: int) -> int:
        """The reader, forward and backward."""
        return 3 * self.reader.flops(context, answer)
