"""The frames to come in pixels, from those before: prediction in input space, what JEPAs are the alternative to."""

from dataclasses import dataclass, replace

from jepakit.contracts import Masker
from jepakit.parts.masks.tubes import CausalMasker
from jepakit.rivals.videomae import VideoMAE


@dataclass(frozen=True, kw_only=True)
class NextFrames(VideoMAE):
    """VideoMAE's networks and pixels, asked for all that comes after the first frames.

    It predicts the mean of what may come (LeCun 2022, section 4.2): squared errors leave it nothing better.
    """

    shown: float = 0.5
    """The share of time steps that is seen: the first ones."""

    def _masker(self) -> Masker:
        return CausalMasker(self.shown)


VIT_B16 = NextFrames()
TINY = replace(
    VIT_B16, frames=4, image=(32, 32), patch=8, dim=48, depth=2, heads=4,
    decoder_dim=48, decoder_depth=2, decoder_heads=4, initialization="fan_in",
)  # fmt: skip
