"""What networks of convolutions are made of: the blocks of a ResNet and of a ConvNeXt, and norms of maps."""

from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.batch_norm import BatchNorm
from jepakit.parts.nn.collective import ranks
from jepakit.parts.nn.linear import Linear

Maps = Float[Tensor, "b c h w"]
Smaller = Float[Tensor, "b d r s"]
Layer = TypeVar("Layer", nn.Conv2d, Linear)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to the input (He et al. 1512.03385, figure 2).

    Where size or width change, the input goes through a 1x1 convolution. It begins as the identity (1706.02677,
    section 5.1).
    """

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.first, self.first_norm = convolution(before, width, 3, stride), MapNorm(width)
        self.last, self.last_norm = convolution(width, width, 3), MapNorm(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != width:
            self.shortcut = nn.Sequential(convolution(before, width, 1, stride), MapNorm(width))
        assert self.last_norm.weight is not None
        nn.init.zeros_(self.last_norm.weight)

    def forward(self, x: Maps) -> Smaller:
        inside = self.last_norm(self.last(F.relu(self.first_norm(self.first(x)))))
        return F.relu(self.shortcut(x) + inside)


class ConvNeXtStage(nn.Module):
    """Halves the maps, unless it is the first stage (`before` is None), and goes through its blocks."""

    def __init__(self, before: int | None, width: int, depth: int, share: float, eps: float) -> None:
        super().__init__()
        halve = [] if before is None else [PlaceNorm(before, eps), drawn(nn.Conv2d(before, width, 2, 2))]
        self.halve = nn.Sequential(*halve)
        self.blocks = nn.ModuleList(ConvNeXtBlock(width, share, eps) for _ in range(depth))

    def forward(self, x: Maps) -> Smaller:
        maps = self.halve(x)
        for block in self.blocks:
            maps = block(maps)
        return maps


class ConvNeXtBlock(nn.Module):
    """A 7x7 convolution in every channel, then an MLP at every place, of which a learned share is added to the input.

    Liu et al. 2201.03545, figure 4; the share begins with 1e-6 there.
    """

    def __init__(self, dim: int, share: float, eps: float) -> None:
        super().__init__()
        self.spread = drawn(nn.Conv2d(dim, dim, 7, padding=3, groups=dim))
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.expand, self.contract = drawn(Linear(dim, 4 * dim)), drawn(Linear(4 * dim, dim))
        self.share = nn.Parameter(torch.full((dim,), share))

    def forward(self, x: Maps) -> Maps:
        places = self.norm(self.spread(x).movedim(1, -1))
        return x + (self.share * self.contract(F.gelu(self.expand(places)))).movedim(-1, 1)


class MapNorm(BatchNorm):
    """Batch normalization of maps: every channel over all places of all samples of all ranks."""

    def forward(self, x: Maps) -> Maps:
        if self.training and ranks() > 1:
            rows = x.movedim(1, -1)
            return super().forward(rows.flatten(0, -2)).view(rows.shape).movedim(-1, 1)
        return F.batch_norm(  # one kernel for all of it, where there is one rank
            x, self.running_mean, self.running_variance, self.weight, self.bias, self.training, self.momentum, self.eps
        )


class PlaceNorm(nn.LayerNorm):
    """LayerNorm over the channels of every place of a map."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__(dim, eps=eps)

    def forward(self, input: Maps) -> Maps:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


def convolution(before: int, width: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution of a ResNet, without bias, as it begins there (He et al. 1502.01852)."""
    layer = nn.Conv2d(before, width, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def drawn(layer: Layer) -> Layer:
    """A layer of a ConvNeXt as it begins there (2201.03545, appendix A.1)."""
    nn.init.trunc_normal_(layer.weight, std=0.02, a=-2.0, b=2.0)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
