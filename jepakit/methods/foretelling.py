"""Rules that foretell pixels: what they have in common, whatever they are asked to learn."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.contracts import Losses, Step
from jepakit.methods.dynamics import count_tokens, divide
from jepakit.methods.multiview import evaluating
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.targets import PixelTarget
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.tokens import Tokens


class Foretelling(nn.Module, ABC):
    """The backbone sees the first `past` frames of a clip, and the pixels of the others answer, cut by `tokenizer`."""

    def __init__(self, backbone: Backbone, tokenizer: PatchTokenizer, past: int) -> None:
        super().__init__()
        self.backbone, self.past = backbone, past
        self.target = PixelTarget(tokenizer, normalize=False)

    @property
    def kept(self) -> Backbone:
        """The backbone to evaluate and export: what the past is seen with."""
        return self.backbone

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The losses of a batch {"x": [b c t h w]}."""
        past, future = divide(batch["x"], self.past)
        found = self.learn(self.backbone(past), future, step)
        gflops = step.rows.total * self.flops(past, future) / 1e9
        return Losses(found.terms, {**found.metrics, "gflops": torch.tensor(gflops, dtype=torch.float64)})

    @abstractmethod
    def learn(self, context: Tokens, future: Float[Tensor, "b c r h w"], step: Step) -> Losses:
        """What is to be made small, for futures of what the backbone saw."""

    @abstractmethod
    def judge(self, context: Tokens, future: Float[Tensor, "b c r h w"], generator: Generator) -> Float[Tensor, "b"]:
        """How badly each future fits what the backbone saw."""

    @abstractmethod
    def draw(self, context: Tokens, count: int, generator: Generator) -> Float[Tensor, "n c r h w"]:
        """So many futures of each context, one context after the other."""

    @abstractmethod
    def foretelling_flops(self, future: int) -> int:
        """Operations of all but the backbone for one sample whose future is so many tokens, forward."""

    def energy(self, x: Tensor, y: Tensor, z: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """How badly the future in the clips `y` [b c t h w] follows from the past in the clips `x`, per sample: [b].

        Noise, where there is any, is drawn alike for all samples, from a fixed seed unless a generator is given.
        """
        if z is not None:
            raise ValueError("this model has no latent variable; call energy(x, y)")
        with evaluating(self):
            drawn = generator or torch.Generator().manual_seed(0)
            return self.judge(self.backbone(x[:, :, : self.past]), divide(y, self.past)[1], drawn)

    @torch.no_grad()
    def imagine(self, clip: Float[Tensor, "b c t h w"], count: int, generator: Generator) -> Tensor:
        """So many futures [b s c r h w] of clips, of which the first `past` frames are looked at."""
        with evaluating(self):
            futures = self.draw(self.backbone(clip[:, :, : self.past]), count, generator)
            return futures.unflatten(0, (-1, count))

    def after_step(self, step: Step) -> None:
        """Lets the target follow the backbone: pixels do not move."""
        self.target.after_step(self.backbone, step)

    def flops(self, past: Tensor, future: Tensor) -> int:
        """Operations of a training step for one sample of these clips: a backward pass costs two forward ones."""
        context, asked = count_tokens(past, self.backbone), self.target(future[:1], self.backbone).values.shape[1]
        return 3 * (self.backbone.flops(context) + self.foretelling_flops(asked))
