"""Backbones that a Config can name, for methods that take any."""

from dataclasses import dataclass, field

from jepakit.config import Config
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.convnet import ConvNeXt, ResNet
from jepakit.parts.nn.initialize import Initialization, initialize
from jepakit.parts.nn.position import IN_TIME, Shares, SinCos
from jepakit.parts.nn.sizes import ClipSizes, require_sizes
from jepakit.parts.nn.timm import Timm
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.tokenizers.patches import PatchTokenizer


@dataclass(frozen=True, kw_only=True)
class ViT(Config):
    """A vision transformer of pictures, as in I-JEPA: patches, sines and cosines, no class token. As is: ViT-S/16."""

    image: tuple[int, int] = (224, 224)
    """Height and width in pixels that positions are made for; other sizes are interpolated."""
    patch: int = 16
    channels: int = 3
    dim: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: float = 4.0
    initialization: Initialization = "flat"
    eps: float = 1e-6

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it takes: channels, height and width of a picture."""
        return ((self.channels, *self.image),)

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image[0] // self.patch, self.image[1] // self.patch

    def build(self, hides: bool = False) -> Backbone:
        """The backbone; with `hides`, one that can put a learned token in the place of patches.

        Raises ValueError for sizes that a network cannot have.
        """
        rows, columns = (side // max(self.patch, 1) for side in self.image)
        require_sizes(
            {"patch": self.patch, "channels": self.channels, "dim": self.dim, "heads": self.heads,
             "mlp_ratio * dim": round(self.mlp_ratio * self.dim), "rows of patches": rows,
             "columns of patches": columns},
            {"depth": self.depth},
        )  # fmt: skip
        tokenizer = PatchTokenizer((self.patch, self.patch), self.channels, self.dim)
        encoder = Transformer(self.dim, self.depth, self.heads, self.mlp_ratio, self.eps)
        backbone = Backbone(tokenizer, SinCos(self.dim, self.extent), encoder, hides)
        initialize(backbone, self.initialization)
        return backbone


@dataclass(frozen=True, kw_only=True)
class ClipViT(ClipSizes):
    """A vision transformer of clips, as in V-JEPA: tubelets, sines and cosines of time, row and column."""

    initialization: Initialization = "flat"

    def build(self) -> Backbone:
        """The backbone. Raises ValueError for sizes that a network cannot have."""
        self.require({}, {})
        return build_clip_backbone(self, "uniform", self.initialization)


def build_clip_backbone(sizes: ClipSizes, positions: Shares, initialization: Initialization) -> Backbone:
    """The network of V-JEPA: what `ClipViT` and V-JEPA itself are made of."""
    tokenizer = PatchTokenizer(sizes.cell, sizes.channels, sizes.dim)
    position = SinCos(sizes.dim, sizes.extent, IN_TIME, positions)
    encoder = Transformer(sizes.dim, sizes.depth, sizes.heads, sizes.mlp_ratio, sizes.eps)
    backbone = Backbone(tokenizer, position, encoder)
    initialize(backbone, initialization)
    return backbone


Network = ViT | ClipViT | ResNet | ConvNeXt | Timm
"""What a method that hides no tokens can be built around."""


@dataclass(frozen=True, kw_only=True)
class Around(Config):
    """The beginning of every method that is built around a network of its own choosing."""

    network: Network = field(default_factory=ViT)

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it learns from: channels, the frames of a clip, height and width."""
        return self.network.samples


@dataclass(frozen=True, kw_only=True)
class AroundViT(Around):
    """The same for methods that hide patches, which only a transformer can do without."""

    network: ViT = field(default_factory=ViT)

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.network.extent
