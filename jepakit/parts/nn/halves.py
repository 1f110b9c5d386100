"""Sizes that all models which foretell pixels share, and the backbone that sees the past."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.position import Rotary
from jepakit.parts.nn.sizes import ClipSizes
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.tokenizers.patches import PatchTokenizer


@dataclass(frozen=True, kw_only=True)
class HalfClipSizes(ClipSizes):
    """The past is seen by the backbone of latent-variable JEPA; `predictor_` are sizes of what foretells.

    As is: 8 frames of 32 pixels, of which the second half is asked for.
    """

    frames: int = 8
    image: tuple[int, int] = (32, 32)
    tubelet: int = 4
    patch: int = 8
    dim: int = 64
    depth: int = 2
    heads: int = 4
    predictor_dim: int = 96
    """Not much less than a patch has numbers that differ (a third of its pixels, where all is gray), for it is told
    through so many."""
    predictor_depth: int = 2
    predictor_heads: int = 4
    asked_tubelet: int = 2
    """Frames of the future that go into one token; rows and columns are those of the past."""
    initialization: Initialization = "fan_in"

    @property
    def asked_cell(self) -> tuple[int, int, int]:
        """Frames, rows and columns of pixels of the future that go into one token."""
        return self.asked_tubelet, self.patch, self.patch

    @property
    def asked_extent(self) -> tuple[int, int, int]:
        """Tubelets, rows and columns of the future."""
        return self.frames // 2 // self.asked_tubelet, *self.extent[1:]

    @property
    def tokens(self) -> int:
        """How many tokens the past is cut into."""
        return math.prod(self.extent) // 2

    def require_halves(self, widths: Mapping[str, int], depths: Mapping[str, int]) -> None:
        """Raises ValueError for halves that are no whole tubelets, or sizes that a network cannot have."""
        self.require(
            {"predictor_dim": self.predictor_dim, "predictor_heads": self.predictor_heads,
             "asked_tubelet": self.asked_tubelet, **widths},
            {"predictor_depth": self.predictor_depth, **depths},
        )  # fmt: skip
        for name, tubelet in (("tubelet", self.tubelet), ("asked_tubelet", self.asked_tubelet)):
            if self.frames % (2 * tubelet):
                raise ValueError(f"past and future are whole tubelets: frames is a multiple of {2 * tubelet} for "
                                 f"{name}={tubelet}, got {self.frames}")  # fmt: skip

    def build_backbone(self) -> Backbone:
        """What the past is seen with."""
        tokenizer = PatchTokenizer(self.cell, self.channels, self.dim)
        encoder = Transformer(self.dim, self.depth, self.heads, self.mlp_ratio, self.eps)
        backbone = Backbone(tokenizer, Rotary(self.dim // self.heads), encoder)
        initialize(backbone, self.initialization)
        return backbone
