"""Backbones of convolutions: a token is a place of the last map. They look at whole pictures and cannot hide a part."""

import math
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.parts.nn.backbone import AnyBackbone, require_floats
from jepakit.parts.nn.convolutions import BasicBlock, ConvNeXtStage, MapNorm, PlaceNorm, convolution, drawn
from jepakit.parts.nn.position import grid
from jepakit.parts.nn.sizes import require_sizes
from jepakit.tokens import Tokens


class ConvBackbone(AnyBackbone):
    """Pictures -> Tokens by a stem and stages.

    `strides` are the pixels between two places in the maps of their convolutions: those of the stem first; the last is
    the side of a token.
    """

    def __init__(
        self, channels: int, stem: nn.Module, stages: list[nn.Module], norm: nn.Module, dim: int, strides: list[int]
    ) -> None:
        super().__init__(dim)
        self.channels, self.strides = channels, strides
        self.stem, self.stages, self.norm = stem, nn.ModuleList(stages), norm

    def forward(
        self,
        x: Shaped[Tensor, "..."],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
    ) -> Tokens:
        """Tokens of what `transform` made: float32 [b c h w] of any size. One picture [c h w] is a batch of one.

        Raises ValueError for `keep`, for `layers` but the last, and for a picture that is smaller than a token;
        TypeError for integers.
        """
        require_whole(keep, layers)
        require_floats(x)
        x = x.unsqueeze(0) if x.ndim == 3 else x
        if x.ndim != 4 or x.shape[1] != self.channels or min(x.shape[2:]) < self.strides[-1]:
            raise ValueError(
                f"this network takes [b, {self.channels}, h, w] of {self.strides[-1]} pixels a side or more, got "
                f"{list(x.shape)}; resize the pictures, or set a smaller `shrink` or `patch`"
            )
        maps = self.stem(x)
        for stage in self.stages:
            maps = stage(maps)
        tokens = lay_down(maps)
        return tokens.with_values(self.norm(tokens.values))

    def flops(self, tokens: int) -> int:
        """Operations of one sample of so many tokens, forward: exact where tokens tile the picture."""
        cost = 0
        for part, stride in zip((self.stem, *self.stages), self.strides, strict=True):
            places = tokens * (self.strides[-1] // stride) ** 2
            layers = [layer for layer in part.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
            cost += 2 * places * sum(layer.weight.numel() for layer in layers)
        return cost


@dataclass(frozen=True, kw_only=True)
class ResNet(Config):
    """Stages of basic blocks (He et al. 1512.03385, table 1). As is: ResNet-18 for photographs.

    Maps are `shrink` times smaller before the first stage: 4 is the published stem for photographs, 1 is a 3x3
    convolution that keeps the size of very small pictures, 2 is one that halves it.
    """

    image: tuple[int, int] = (224, 224)
    """Height and width in pixels that it learns from; it takes others."""
    channels: int = 3
    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: int = 2
    shrink: Literal[1, 2, 4] = 4

    def build(self) -> ConvBackbone:
        """The backbone. Raises ValueError for sizes that a network cannot have."""
        require_sizes(
            {
                "channels": self.channels,
                "widths": min(self.widths, default=0),
                "the widest of widths": max(self.widths, default=0),
            },
            {"blocks": self.blocks, "the number of widths": len(self.widths)},
        )
        first, large = self.widths[0], self.shrink == 4
        size, stride = (7, 2) if large else (3, self.shrink)
        smaller = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        stem = nn.Sequential(convolution(self.channels, first, size, stride), MapNorm(first), nn.ReLU(), smaller)
        stages, before = list[nn.Module](), first
        for number, width in enumerate(self.widths):
            # No list called `blocks`, which the engine may recompute: averages would count such a batch twice.
            later = [BasicBlock(width, width, 1) for _ in range(self.blocks - 1)]
            stages.append(nn.Sequential(BasicBlock(before, width, 2 if number else 1), *later))
            before = width
        strides = [stride, *_doubled(self.shrink, stages)]
        return ConvBackbone(self.channels, stem, stages, nn.Identity(), before, strides)

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of the last maps."""
        cell = self.shrink * 2 ** (len(self.widths) - 1)
        return math.ceil(self.image[0] / cell), math.ceil(self.image[1] / cell)

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it takes: channels, height and width of a picture."""
        return ((self.channels, *self.image),)


@dataclass(frozen=True, kw_only=True)
class ConvNeXt(Config):
    """Stages of 7x7 convolutions and MLPs (Liu et al. 2201.03545). As is: ConvNeXt-T."""

    image: tuple[int, int] = (224, 224)
    """Height and width in pixels that it learns from; it takes others."""
    patch: int = 4
    """The side of the first, strided convolution."""
    channels: int = 3
    widths: tuple[int, ...] = (96, 192, 384, 768)
    depths: tuple[int, ...] = (3, 3, 9, 3)
    share: float = 1e-6
    """By how much a block begins to change its input."""
    eps: float = 1e-6

    def build(self) -> ConvBackbone:
        """The backbone. Raises ValueError for sizes that a network cannot have."""
        if len(self.widths) != len(self.depths):
            raise ValueError(f"widths and depths have a number for each stage, got {self.widths} and {self.depths}")
        require_sizes(
            {"patch": self.patch, "channels": self.channels, "widths": min(self.widths, default=0),
             "the widest of widths": max(self.widths, default=0)},
            {"depths": min(self.depths, default=0), "the deepest of depths": max(self.depths, default=0)},
        )  # fmt: skip
        first, dim = self.widths[0], self.widths[-1]
        stem = nn.Sequential(drawn(nn.Conv2d(self.channels, first, self.patch, self.patch)), PlaceNorm(first, self.eps))
        stages: list[nn.Module] = [
            ConvNeXtStage(before, width, depth, self.share, self.eps)
            for before, width, depth in zip((None, *self.widths[:-1]), self.widths, self.depths, strict=True)
        ]
        strides = [self.patch, *_doubled(self.patch, stages)]
        return ConvBackbone(self.channels, stem, stages, nn.LayerNorm(dim, eps=self.eps), dim, strides)

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it takes: channels, height and width of a picture."""
        return ((self.channels, *self.image),)


RESNET_18 = ResNet()
SMALL_RESNET = ResNet(image=(64, 64), widths=(32, 64, 128, 192), blocks=1, shrink=2)
CONVNEXT_T = ConvNeXt()
SMALL_CONVNEXT = ConvNeXt(image=(64, 64), patch=2, widths=(32, 64, 128, 192), depths=(1, 1, 3, 1))


def lay_down(maps: Float[Tensor, "b d h w"]) -> Tokens:
    """Every place of a map as a token, in raster order."""
    extent = (maps.shape[2], maps.shape[3])
    coords = grid(extent, maps.device).expand(len(maps), -1, -1)
    return Tokens(maps.flatten(2).transpose(1, 2), coords, None, extent)


def require_whole(keep: Int[Tensor, "b k"] | None, layers: tuple[int, ...] | None) -> None:
    """Raises ValueError for what a transformer on patches can do, and other networks cannot."""
    if keep is not None:
        raise ValueError("this network looks at whole pictures and cannot drop tokens; take a ViT for masks")
    if layers is not None and layers not in ((-1,), (0,)):
        raise ValueError(f"layers={layers}: the tokens of this network have one level, which is 0 (or -1)")


def _doubled(first: int, stages: list[nn.Module]) -> list[int]:
    return [first * 2**number for number in range(len(stages))]
