"""Where a token is, as a vector: functions of coordinates and of the extent of the grid."""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

BASE = 10_000.0


def sin_cos(coords: Float[Tensor, "*n p"], dim: int, order: tuple[int, ...]) -> Float[Tensor, "*n d"]:
    """Sines, then cosines, of each axis in `order`; every axis gets an equal share of the `dim` channels.

    I-JEPA puts the column first (`order=(1, 0)`), V-JEPA 1's 2D table the row: the two differ by swapped halves.
    """
    share = dim // len(order)
    rate = BASE ** (-torch.arange(share // 2, dtype=torch.float64, device=coords.device) / (share / 2))
    angle = coords.double()[..., list(order)].unsqueeze(-1) * rate
    return torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(-2).float()


def grid(extent: tuple[int, ...], device: torch.device | None = None) -> Float[Tensor, "n p"]:
    """Coordinates of all cells of a grid in raster order."""
    axes = [torch.arange(size, dtype=torch.float32, device=device) for size in extent]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)


class GridPosition(nn.Module, ABC):
    """Looks a token's vector up in a table over the grid; other grids are served by bicubic interpolation.

    The table is made at the `extent` that the weights were trained with, and resized to the grid at hand, square or
    not, as `transformers.IJepaModel` does with `interpolate_pos_encoding=True`.
    """

    def __init__(self, extent: tuple[int, ...]) -> None:
        super().__init__()
        self.extent = extent
        self._resized: dict[tuple[tuple[int, ...], torch.device], Tensor] = {}

    @abstractmethod
    def table(self, device: torch.device) -> Float[Tensor, "n d"]:
        """The vectors of all cells of the trained grid."""

    def forward(self, coords: Float[Tensor, "*n p"], extent: tuple[int, ...]) -> Float[Tensor, "*n d"]:
        table = self._resize(extent, coords.device)
        index = coords[..., 0]
        for axis in range(1, len(extent)):
            index = index * extent[axis] + coords[..., axis]
        return F.embedding(index.long(), table)

    def _resize(self, extent: tuple[int, ...], device: torch.device) -> Float[Tensor, "n d"]:
        if extent == self.extent:
            return self.table(device)
        key = (extent, device)
        if key not in self._resized:
            cells = self.table(device).unflatten(0, self.extent).movedim(-1, 0).unsqueeze(0)
            if len(extent) != 2:
                raise ValueError(f"positions were made for a grid of {self.extent}; only 2D grids are interpolated")
            resized = F.interpolate(cells, size=extent, mode="bicubic", align_corners=False)
            self._resized[key] = resized[0].flatten(1).T.contiguous()
        return self._resized[key]


class SinCos(GridPosition):
    """Fixed sines and cosines (I-JEPA, released code; base 10,000), computed and never stored in a checkpoint."""

    def __init__(self, dim: int, extent: tuple[int, ...], order: tuple[int, ...] | None = None) -> None:
        super().__init__(extent)
        self.dim, self.order = dim, order or tuple(range(len(extent)))[::-1]
        if dim % (2 * len(extent)):
            raise ValueError(
                f"sin-cos positions of {len(extent)} axes need a width divisible by {2 * len(extent)}, got {dim}"
            )
        self._tables: dict[torch.device, Tensor] = {}

    def table(self, device: torch.device) -> Float[Tensor, "n d"]:
        if device not in self._tables:
            self._tables[device] = sin_cos(grid(self.extent, device), self.dim, self.order)
        return self._tables[device]

    def __deepcopy__(self, memo: dict[int, object]) -> "SinCos":
        return SinCos(self.dim, self.extent, self.order)


class Table(GridPosition):
    """Vectors that came with a checkpoint and are not sines and cosines; kept as they are, not trained."""

    def __init__(self, dim: int, extent: tuple[int, ...]) -> None:
        super().__init__(extent)
        self.vectors = nn.Parameter(torch.zeros(math.prod(extent), dim), requires_grad=False)

    def table(self, device: torch.device) -> Float[Tensor, "n d"]:
        return self.vectors.to(device)

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        self._resized.clear()
        super()._load_from_state_dict(*arguments, **named)
