"""Futures as sentences in a language of patches: VQ-VAE (1711.00937) and VideoGPT (2104.10157), small."""

import math
from dataclasses import dataclass, replace

from jepakit.methods.next_codes import NextCodes
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.causal import CausalTransformer
from jepakit.parts.nn.halves import HalfClipSizes
from jepakit.parts.nn.initialize import initialize
from jepakit.parts.nn.position import IN_TIME, SinCos
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.next_code import NextCode
from jepakit.parts.tokenizers.codes import ClipCodes
from jepakit.parts.tokenizers.patches import PatchTokenizer


@dataclass(frozen=True, kw_only=True)
class VQVideo(HalfClipSizes):
    """The second half of a clip as codes, one for each patch, named one after the other by who saw the first half.

    Codes are rounded numbers (FSQ, 2309.15505) in the place of a learned list (VQ): as good by that paper, every
    code is used, and neither a loss nor a rule is needed that keeps a list alive. Networks are transformers, where the
    papers have convolutions. Sizes are ours.
    """

    levels: tuple[int, ...] = (8, 6, 5)
    """A code is so many numbers with so many values each: 240 words (2309.15505, table 1)."""
    coder_depth: int = 1
    """Blocks from pixels to codes, and as many back."""

    def build(self) -> NextCodes:
        """The method: backbone, codes, and what foretells them. Raises ValueError for sizes that do not fit."""
        self.require_halves({"codes": math.prod(self.levels)}, {"coder_depth": self.coder_depth})
        coder, backbone = self._coder(), self.build_backbone()
        width, asked = self.predictor_dim, math.prod(self.asked_extent)
        blocks = CausalTransformer(width, self.predictor_depth, self.predictor_heads, eps=self.eps)
        predictor = NextCode(self.dim, blocks, width, math.prod(self.levels), self.tokens, asked)
        for network in (coder, predictor):
            initialize(network, self.initialization)
        assert isinstance(coder.encoder.tokenizer, PatchTokenizer)
        return NextCodes(backbone, coder.encoder.tokenizer, self.frames // 2, coder, predictor)

    def _coder(self) -> ClipCodes:
        tokenizer = PatchTokenizer(self.asked_cell, self.channels, self.dim)
        positions = [SinCos(self.dim, self.asked_extent, IN_TIME, "uniform") for _ in range(2)]
        blocks = [Transformer(self.dim, self.coder_depth, self.heads, self.mlp_ratio, self.eps) for _ in range(2)]
        return ClipCodes(Backbone(tokenizer, positions[0], blocks[0]), positions[1], blocks[1], self.levels)


SMALL = VQVideo()
TINY = replace(
    SMALL, frames=4, tubelet=2, asked_tubelet=2, dim=48, predictor_dim=48, predictor_depth=1, levels=(4, 4)
)  # fmt: skip
