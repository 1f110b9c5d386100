"""V-JEPA 2 (Assran et al. 2025, arXiv 2506.09985): V-JEPA with rotary positions and a constant average."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from jepakit.family.vjepa import MaskedClips
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.position import Rotary
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.schedules import constant
from jepakit.weights.vjepa import EncoderSizes, PredictorSizes, heads_of


@dataclass(frozen=True, kw_only=True)
class VJEPA2(MaskedClips):
    """V-JEPA 2 as released; the defaults are ViT-L/16 on 16 frames of 256 pixels."""

    title: ClassVar[str] = "V-JEPA 2"

    image: tuple[int, int] = (256, 256)
    """What it is trained with; rotary positions take any other length and size, too."""
    predictor_dim: int = 384
    predictor_depth: int = 12
    predictor_heads: int = 12
    positions: Literal["exact", "released"] = "exact"
    """Released weights were trained with positions that are no rotations, and need them."""
    initialization: Initialization = "depth_scaled"
    mask_tokens: int = 10
    mask_token: tuple[int, ...] = (0, 0)
    """Which one each kind of question has. The released training uses the first for all, its evaluations the second."""
    momentum: float = 0.99925

    def build(self) -> MaskedJEPA:
        """The method: backbone, predictor, masks and target. Raises ValueError for sizes that do not fit."""
        self.require(
            {"predictor_dim": self.predictor_dim, "predictor_heads": self.predictor_heads,
             "mask_tokens": self.mask_tokens},
            {"predictor_depth": self.predictor_depth},
        )  # fmt: skip
        if len(self.mask_token) != len(self.blocks) or not all(0 <= n < self.mask_tokens for n in self.mask_token):
            raise ValueError(
                f"mask_token names one of {self.mask_tokens} mask tokens for each of the {len(self.blocks)} entries of "
                f"blocks, got {self.mask_token}"
            )
        backbone, momentum = self.backbone(), constant(self.momentum)
        return self.compose(backbone, self.tube_maskers(), self._predictor(), momentum, self.mask_token)

    def backbone(self) -> Backbone:
        """The encoder."""
        backbone = Backbone(
            PatchTokenizer(self.cell, self.channels, self.dim),
            Rotary(self.dim // self.heads, self.positions),
            Transformer(self.dim, self.depth, self.heads, self.mlp_ratio, self.eps),
        )
        initialize(backbone, self.initialization)
        return backbone

    def _predictor(self) -> MaskTokenPredictor:
        width, heads = self.predictor_dim, self.predictor_heads
        predictor = MaskTokenPredictor(
            self.dim, Rotary(width // heads, self.positions),
            Transformer(width, self.predictor_depth, heads, 4.0, self.eps), width, self.answer_dim,
            self.mask_tokens, mask_std=0.0,
        )  # fmt: skip
        initialize(predictor, self.initialization)
        return predictor


VIT_L16 = VJEPA2()
VIT_H16 = replace(VIT_L16, dim=1280, depth=32)
VIT_G16 = replace(VIT_L16, dim=1408, depth=40, heads=22, mlp_ratio=48 / 11)
VIT_G16_384 = replace(VIT_G16, image=(384, 384))
TINY = replace(
    VIT_L16, frames=4, image=(32, 32), patch=8, dim=48, depth=2, heads=4, predictor_dim=24, predictor_depth=2,
    predictor_heads=2, mask_tokens=2, mask_token=(0, 1), initialization="fan_in",
)  # fmt: skip


def from_official(encoder: EncoderSizes, predictor: PredictorSizes | None, heads: int | None = None) -> VJEPA2:
    """The model whose networks take a released checkpoint; no shape tells frames and picture size.

    Raises ValueError if `heads` is needed: shapes do not tell it, except for the published widths.
    """
    model = VJEPA2(
        tubelet=encoder.tubelet, patch=encoder.patch, channels=encoder.channels, dim=encoder.dim, depth=encoder.depth,
        heads=heads or heads_of("V-JEPA 2", encoder.dim), mlp_ratio=encoder.hidden / encoder.dim, positions="released",
    )  # fmt: skip
    if predictor is None:
        return model
    return replace(
        model, predictor_dim=predictor.width, predictor_depth=predictor.depth, mask_tokens=predictor.mask_tokens
    )
