"""MAE (He et al. 2021, arXiv 2111.06377): the pixels of a picture from a quarter of its patches."""

from dataclasses import dataclass, replace

from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.energies import l2
from jepakit.parts.masks.random import RandomMasker
from jepakit.parts.nn.initialize import initialize
from jepakit.parts.nn.networks import AroundViT, ViT
from jepakit.parts.nn.position import SinCos
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.parts.targets import PixelTarget


@dataclass(frozen=True, kw_only=True)
class MAE(AroundViT):
    """MAE with the encoder of I-JEPA, so that two runs differ in the question and the answer alone.

    The decoder is the published one (table 1): 8 blocks of width 512. There is no class token: what is probed is the
    mean of the patches. Errors are of pixels that were normalized patch by patch.
    """

    decoder_dim: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    shown: float = 0.25
    """The share of patches that is seen."""

    def build(self) -> MaskedJEPA:
        """The method: encoder, decoder, masks and pixels. Raises ValueError for sizes that do not fit."""
        backbone = self.network.build()
        blocks = Transformer(self.decoder_dim, self.decoder_depth, self.decoder_heads, 4.0, self.network.eps)
        pixels = self.network.channels * self.network.patch**2
        position = SinCos(self.decoder_dim, self.network.extent)
        decoder = MaskTokenPredictor(backbone.dim, position, blocks, self.decoder_dim, pixels)
        initialize(decoder, self.network.initialization)
        return MaskedJEPA(backbone, (RandomMasker(self.shown),), decoder, PixelTarget(backbone.tokenizer), l2)


VIT_S16 = MAE()
VIT_B16 = replace(VIT_S16, network=ViT(dim=768, heads=12))
VIT_L16 = replace(VIT_S16, network=ViT(dim=1024, depth=24, heads=16))
TINY = replace(
    VIT_S16, network=ViT(image=(32, 32), patch=8, dim=48, depth=2, heads=4, initialization="fan_in"),
    decoder_dim=48, decoder_depth=2, decoder_heads=4,
)  # fmt: skip
