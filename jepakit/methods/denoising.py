"""The rule of straight ways from noise to clips: rectified flow (Liu et al. 2022, 2209.03003)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.contracts import Losses, Step
from jepakit.methods.dynamics import repeat
from jepakit.methods.foretelling import Foretelling
from jepakit.parts.energies import l2
from jepakit.parts.latents.chance import draw
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.predictors.denoiser import Denoiser
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.tokens import Tokens


class Denoising(Foretelling):
    """The future is mixed with noise, and the predictor, which saw the past, says what it was before.

    `steps` lead from noise to a future that is drawn; `shares` of future in the mixture are what energies ask about.
    """

    def __init__(
        self, backbone: Backbone, tokenizer: PatchTokenizer, past: int, predictor: Denoiser, steps: int,
        shares: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 0.9), draws: int = 2,
    ) -> None:  # fmt: skip
        super().__init__(backbone, tokenizer, past)
        if steps < 1 or draws < 1 or not all(0 <= share < 1 for share in shares):
            raise ValueError(f"steps and draws are 1 or more and shares in [0, 1), got {steps}, {draws} and {shares}")
        self.predictor, self.steps, self.shares, self.draws = predictor, steps, tuple(shares), draws

    def learn(self, context: Tokens, future: Float[Tensor, "b c r h w"], step: Step) -> Losses:
        """The squared error of what was said to be behind the noise, with as much of it as a lot decides."""
        share = draw(step, 1).to(future)[:, 0]
        noise = draw(step, future[0].numel(), normal=True).to(future).view_as(future)
        return Losses({"prediction": self._errors(context, future, noise, share).mean()})

    def judge(self, context: Tokens, future: Float[Tensor, "b c r h w"], generator: Generator) -> Float[Tensor, "b"]:
        """The same error, a mean over all `shares` and some drawings of noise, which are alike for all samples."""
        errors = []
        for share in self.shares * self.draws:
            noise = torch.randn(future.shape[1:], generator=generator).to(future).expand_as(future)
            errors.append(self._errors(context, future, noise, future.new_full((len(future),), share)))
        return torch.stack(errors).mean(dim=0)

    def draw(self, context: Tokens, count: int, generator: Generator) -> Float[Tensor, "n c r h w"]:
        """From noise to clips, each step straight towards what seems to be behind (paper, equation 1, by Euler)."""
        told = repeat(context, count)
        shape = (len(told.values), *self.predictor.shape)
        mixed = torch.randn(shape, generator=generator).to(told.values)
        for step in range(self.steps):
            clean = self.predictor(told, mixed, mixed.new_full((len(mixed),), step / self.steps))
            mixed = mixed + (self.predictor.tokenizer.paste(clean) - mixed) / (self.steps - step)
        return mixed

    def foretelling_flops(self, future: int) -> int:
        """One look at a noisy clip."""
        return self.predictor.flops(future)

    def _errors(
        self, context: Tokens, future: Float[Tensor, "b c r h w"], noise: Tensor, share: Float[Tensor, "b"]
    ) -> Float[Tensor, "b"]:
        mixed = torch.lerp(noise, future, share.view(-1, 1, 1, 1, 1))
        return l2(self.predictor(context, mixed, share), self.target(future, self.backbone))
