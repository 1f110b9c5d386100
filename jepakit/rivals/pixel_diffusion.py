"""Futures out of noise: a small diffusion model of pixels, by the straight ways of rectified flow (2209.03003)."""

from dataclasses import dataclass, replace

from jepakit.methods.denoising import Denoising
from jepakit.parts.nn.halves import HalfClipSizes
from jepakit.parts.nn.initialize import initialize
from jepakit.parts.nn.position import IN_TIME, SinCos
from jepakit.parts.nn.sizes import require_sizes
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.denoiser import Denoiser
from jepakit.parts.tokenizers.patches import PatchTokenizer


@dataclass(frozen=True, kw_only=True)
class PixelDiffusion(HalfClipSizes):
    """The second half of a clip out of noise, by a transformer that saw the first half; the numbers are ours."""

    steps: int = 25
    """From noise to a future that is drawn."""

    def build(self) -> Denoising:
        """The method: what sees the past, and what takes noise away. Raises ValueError for sizes that do not fit."""
        self.require_halves({}, {})
        require_sizes({}, {"steps": self.steps})
        backbone, width = self.build_backbone(), self.predictor_dim
        tokenizer = PatchTokenizer(self.asked_cell, self.channels, width)
        position = SinCos(width, self.asked_extent, IN_TIME, "uniform")
        blocks = Transformer(width, self.predictor_depth, self.predictor_heads, 4.0, self.eps)
        predictor = Denoiser(self.dim, tokenizer, position, blocks, self.tokens)
        initialize(predictor, self.initialization)
        return Denoising(backbone, tokenizer, self.frames // 2, predictor, self.steps)


SMALL = PixelDiffusion()
TINY = replace(
    SMALL, frames=4, tubelet=2, asked_tubelet=2, dim=48, predictor_dim=48, predictor_depth=1, steps=4
)  # fmt: skip
