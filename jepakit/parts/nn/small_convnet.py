"""A plain network of convolutions for small pictures of simple worlds: fast on a CPU."""

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from jepakit.config import Config
from jepakit.parts.nn.convnet import ConvBackbone
from jepakit.parts.nn.sizes import require_sizes


@dataclass(frozen=True, kw_only=True)
class SmallConvNet(Config):
    """3x3 convolutions that halve the picture each time. As is: for 64 pixels, which become 4 x 4 places of 64 numbers.

    No batch normalization: what a frame is does not depend on other frames, in training as in planning.
    """

    image: tuple[int, int] = (64, 64)
    """Height and width in pixels."""
    channels: int = 3
    widths: tuple[int, ...] = (16, 32, 64, 64)

    def build(self) -> ConvBackbone:
        """The backbone. Raises ValueError for sizes that a network cannot have."""
        require_sizes(
            {"channels": self.channels, "widths": min(self.widths, default=0),
             "the widest of widths": max(self.widths, default=0)},
            {"the number of widths": len(self.widths)},
        )  # fmt: skip
        if any(side % self.cell for side in self.image):
            raise ValueError(f"{len(self.widths)} halvings need sides that {self.cell} divides, got {self.image}")
        first, *later = (halving(before, width) for before, width in pairwise((self.channels, *self.widths)))
        strides = [2 ** (number + 1) for number in range(len(self.widths))]
        return ConvBackbone(self.channels, first, list(later), nn.Identity(), self.widths[-1], strides)

    @property
    def cell(self) -> int:
        """Pixels along the side of a place."""
        return int(2 ** len(self.widths))

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of places."""
        return self.image[0] // self.cell, self.image[1] // self.cell

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """What it takes: channels, height and width of a picture."""
        return ((self.channels, *self.image),)


def halving(before: int, width: int) -> nn.Sequential:
    """A convolution of stride 2 and a ReLU, as they begin in a ResNet (He et al. 1502.01852)."""
    layer = nn.Conv2d(before, width, 3, 2, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return nn.Sequential(layer, nn.ReLU())
