"""OmniMAE (Girdhar et al. 2022, arXiv 2206.08356): one network fills in the pixels of pictures and those of clips."""

from dataclasses import dataclass, replace

from jepakit.parts.masks.modal import ModalMasker
from jepakit.parts.masks.random import RandomMasker
from jepakit.parts.tokenizers.modalities import StillsTokenizer
from jepakit.rivals.videomae import VideoMAE


@dataclass(frozen=True, kw_only=True)
class OmniMAE(VideoMAE):
    """OmniMAE with the networks of VideoMAE (section 3): a picture is a clip of one frame that stands still.

    Batches of clips and batches of pictures [b c 1 h w] take turns (`data.mixture`). Places are hidden at random, in
    clips other ones in every frame, and more of them than in pictures.
    """

    shown: float = 0.05
    """The share of the places of a clip that is seen."""
    shown_of_pictures: float = 0.1

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, frames, height and width of a clip and of a picture."""
        return (self.channels, self.frames, *self.image), (self.channels, 1, *self.image)

    def _tokenizer(self) -> StillsTokenizer:
        return StillsTokenizer(self.cell, self.channels, self.dim)

    def _masker(self) -> ModalMasker:
        return ModalMasker(RandomMasker(self.shown), RandomMasker(self.shown_of_pictures))


VIT_B16 = OmniMAE()
VIT_L16 = replace(VIT_B16, dim=1024, depth=24, heads=16, decoder_dim=512, decoder_heads=8)
TINY = replace(
    VIT_B16, frames=4, image=(32, 32), patch=8, dim=48, depth=2, heads=4,
    decoder_dim=48, decoder_depth=2, decoder_heads=4, initialization="fan_in", shown=0.25, shown_of_pictures=0.25,
)  # fmt: skip
