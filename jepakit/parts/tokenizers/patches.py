"""Pictures and clips -> patches."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear
from jepakit.tokens import Tokens


class PatchTokenizer(nn.Module):
    """Cuts an array into patches and projects each linearly, as a strided convolution does.

    Patches are cut before they are projected, so that dropped tokens cost nothing. Works on any number of axes:
    (height, width) for images, (time, height, width) for clips.
    """

    def __init__(self, patch: tuple[int, ...], channels: int, dim: int) -> None:
        super().__init__()
        self.patch, self.channels, self.dim = patch, channels, dim
        self.projection = Linear(channels * math.prod(patch), dim)

    def forward(self, x: Float[Tensor, "b c ..."], keep: Int[Tensor, "b k"] | None = None) -> Tokens:
        """Tokens in raster order, or those at `keep`. Raises ValueError for a size that patches do not tile."""
        pixels = self.cut(x)
        if keep is not None:
            pixels = pixels.take(keep)
        return pixels.with_values(self.projection(pixels.values))

    def cut(self, x: Float[Tensor, "b c ..."]) -> Tokens:
        """The raw patches as tokens: [b, n, channels * pixels of a patch]."""
        sizes = x.shape[2:]
        if x.shape[1] != self.channels or len(sizes) != len(self.patch):
            raise ValueError(f"expected [b, {self.channels}, {len(self.patch)} sizes], got {list(x.shape)}")
        if any(size % patch or not size for size, patch in zip(sizes, self.patch, strict=True)):
            raise ValueError(f"patches of {self.patch} do not tile an input of {tuple(sizes)}; resize or crop it")
        extent = tuple(size // patch for size, patch in zip(sizes, self.patch, strict=True))
        split = [part for pair in zip(extent, self.patch, strict=True) for part in pair]
        axes = len(extent)
        order = [0, *range(2, 2 + 2 * axes, 2), 1, *range(3, 2 + 2 * axes, 2)]
        values = x.reshape(*x.shape[:2], *split).permute(order).flatten(1 + axes).flatten(1, axes)
        ticks = [torch.arange(size, dtype=torch.float32, device=x.device) for size in extent]
        coords = torch.stack(torch.meshgrid(*ticks, indexing="ij"), dim=-1).flatten(0, -2)
        return Tokens(values, coords.expand(x.shape[0], -1, -1), None, extent)

    def paste(self, pixels: Tokens) -> Float[Tensor, "b c ..."]:
        """The array that raw patches, all of a grid in raster order, were cut from."""
        assert pixels.extent is not None, "patches are put back on the grid that they were cut from"
        axes = len(self.patch)
        values = pixels.values.unflatten(2, (self.channels, *self.patch)).unflatten(1, pixels.extent)
        # Every axis of the grid goes before the axis of the patch that it is cut into.
        order = [0, 1 + axes, *(axis for pair in range(axes) for axis in (1 + pair, 2 + axes + pair))]
        sizes = [count * size for count, size in zip(pixels.extent, self.patch, strict=True)]
        return values.permute(order).reshape(len(values), self.channels, *sizes)

    def flops(self, tokens: int) -> int:
        """Floating point operations of projecting so many patches: a multiplication and an addition per weight."""
        return 2 * tokens * self.projection.weight.numel()
