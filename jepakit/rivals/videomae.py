"""VideoMAE (Tong et al. 2022, arXiv 2203.12602): the pixels of a clip from a tenth of its places."""

from dataclasses import dataclass, replace

from jepakit.config import added
from jepakit.contracts import Masker
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.energies import l2
from jepakit.parts.masks.tubes import RandomTubeMasker
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.position import IN_TIME, Shares, SinCos
from jepakit.parts.nn.sizes import ClipSizes
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.parts.targets import PixelTarget
from jepakit.parts.tokenizers.patches import PatchTokenizer


@dataclass(frozen=True, kw_only=True)
class VideoMAE(ClipSizes):
    """VideoMAE with the networks of V-JEPA, so that two runs differ in the question and the answer alone.

    The defaults are ViT-B/16 on 16 frames of 224 pixels (paper, section 4.1 and table 1): tubes over 90 % of the
    places, a decoder of 4 blocks, mean squared error on the pixels of hidden tubelets. As in MAE, all pixels of a
    tubelet are normalized together; the released code does so for each color. Positions are those of V-JEPA, an axis
    at a time, where the released code numbers the tubelets through.
    """

    dim: int = 768
    depth: int = 12
    heads: int = 12
    decoder_dim: int = 384
    decoder_depth: int = 4
    decoder_heads: int = 6
    positions: Shares = "uniform"
    initialization: Initialization = "flat"
    shown: float = 0.1
    """The share of places that is seen, the same ones in every frame."""
    normalize_pixels: bool = added(True)
    """Whether each patch is predicted up to its mean and contrast, as published, or as it is."""

    def build(self) -> MaskedJEPA:
        """The method: encoder, decoder, masks and pixels. Raises ValueError for sizes that do not fit."""
        self.require(
            {"decoder_dim": self.decoder_dim, "decoder_heads": self.decoder_heads},
            {"decoder_depth": self.decoder_depth},
        )
        tokenizer = self._tokenizer()
        encoder = Transformer(self.dim, self.depth, self.heads, self.mlp_ratio, self.eps)
        backbone = Backbone(tokenizer, SinCos(self.dim, self.extent, IN_TIME, self.positions), encoder)
        decoder = self._decoder()
        for network in (backbone, decoder):
            initialize(network, self.initialization)
        target = PixelTarget(tokenizer, self.normalize_pixels)
        return MaskedJEPA(backbone, (self._masker(),), decoder, target, l2)

    def _tokenizer(self) -> PatchTokenizer:
        return PatchTokenizer(self.cell, self.channels, self.dim)

    def _masker(self) -> Masker:
        return RandomTubeMasker(self.shown)

    def _decoder(self) -> MaskTokenPredictor:
        position = SinCos(self.decoder_dim, self.extent, IN_TIME, self.positions)
        blocks = Transformer(self.decoder_dim, self.decoder_depth, self.decoder_heads, 4.0, self.eps)
        pixels = self.channels * self.tubelet * self.patch**2
        return MaskTokenPredictor(self.dim, position, blocks, self.decoder_dim, pixels)


VIT_B16 = VideoMAE()
VIT_L16 = replace(VIT_B16, dim=1024, depth=24, heads=16, decoder_dim=512, decoder_heads=8)
TINY = replace(
    VIT_B16, frames=4, image=(32, 32), patch=8, dim=48, depth=2, heads=4,
    decoder_dim=48, decoder_depth=2, decoder_heads=4, initialization="fan_in", shown=0.25,
)  # fmt: skip
