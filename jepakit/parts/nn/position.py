"""Where a token is, as a vector: functions of coordinates and of the extent of the grid."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

BASE = 10_000.0
IN_TIME = (0, 1, 2)
"""Time, row, column: V-JEPA's order of axes in the position table."""

Shares = Literal["equal", "uniform", "half_time"]
"""How many channels an axis gets. "equal": all the same. "uniform": the same, rounded up to an even number and cut at
the end; "half_time": half for the first axis, a quarter for each other one (both V-JEPA 2404.08471, released code)."""


def shares_of(dim: int, axes: int, shares: Shares) -> tuple[int, ...]:
    """Channels of each axis. Raises ValueError for a width that cannot be shared so."""
    match shares:
        case "uniform":
            return (2 * math.ceil(dim / (2 * axes)),) * axes
        case "half_time" if axes == 3 and dim % 8 == 0:
            return (dim // 2, dim // 4, dim // 4)
        case "equal" if dim % (2 * axes) == 0:
            return (dim // axes,) * axes
    divisor = 8 if shares == "half_time" else 2 * axes
    raise ValueError(f"sin-cos positions of {axes} axes need a width divisible by {divisor}, got {dim}")


def sin_cos(
    coords: Float[Tensor, "*n p"], dim: int, order: tuple[int, ...], shares: Shares = "equal"
) -> Float[Tensor, "*n d"]:
    """Sines, then cosines, of each axis in `order`, cut to `dim` channels.

    I-JEPA puts the column first (`order=(1, 0)`), V-JEPA 1's 2D table the row: the two differ by swapped halves.
    """
    parts = []
    for axis, share in zip(order, shares_of(dim, len(order), shares), strict=True):
        angle = coords.double()[..., axis, None] * rates(share // 2, coords.device)
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=-1)[..., :dim].float()


def rates(count: int, device: torch.device) -> Float[Tensor, " k"]:
    """Radians per step, falling from 1 towards 1 / base (Vaswani et al. 2017, section 3.5)."""
    return BASE ** (-torch.arange(count, dtype=torch.float64, device=device) / count)


def grid(extent: tuple[int, ...], device: torch.device | None = None) -> Float[Tensor, "n p"]:
    """Coordinates of all cells of a grid in raster order."""
    axes = [torch.arange(size, dtype=torch.float32, device=device) for size in extent]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)


def raster(coords: Float[Tensor, "*n p"], extent: tuple[int, ...]) -> Int[Tensor, "*n"]:
    """The number of each cell in raster order."""
    index = coords[..., 0]
    for axis in range(1, len(extent)):
        index = index * extent[axis] + coords[..., axis]
    return index.long()


@dataclass(frozen=True)
class Rotation:
    """By which angles queries and keys are turned, channel by channel. Made once, used by every block.

    `sin` carries the sign of the pair: (a, b) becomes (a cos - b sin, b cos + a sin).
    """

    cos: Float[Tensor, "b n e"]
    sin: Float[Tensor, "b n e"]

    def turn(self, x: Float[Tensor, "b h n e"]) -> Float[Tensor, "b h n e"]:
        """Queries or keys, turned. Fewer tokens than there are angles are the last ones."""
        count = x.shape[2]
        cos, sin = (part[:, -count:].unsqueeze(1).to(x.dtype) for part in (self.cos, self.sin))
        swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        return torch.addcmul(x * cos, swapped, sin)


class GridPosition(nn.Module, ABC):
    """Looks a token's vector up in a table over the grid; other grids are served by interpolation.

    The table is made at the `extent` that the weights were trained with, and resized to the grid at hand, square or
    not: bicubic for pictures, as `transformers.IJepaModel` does with `interpolate_pos_encoding=True`, and trilinear for
    clips, as V-JEPA's released code does.
    """

    def __init__(self, extent: tuple[int, ...]) -> None:
        super().__init__()
        self.extent = extent
        self._resized: dict[tuple[tuple[int, ...], torch.device], Tensor] = {}

    @abstractmethod
    def table(self, device: torch.device) -> Float[Tensor, "n d"]:
        """The vectors of all cells of the trained grid."""

    @abstractmethod
    def outside(self, coords: Float[Tensor, "*n p"]) -> Float[Tensor, "*n d"]:
        """The vectors at places that need not lie on the trained grid, nor between its cells; counted in its steps."""

    def forward(self, coords: Float[Tensor, "*n p"], extent: tuple[int, ...], beyond: int = 0) -> Float[Tensor, "*n d"]:
        """The vectors at `coords`, which may lie up to `beyond` steps behind the end of the first axis."""
        if beyond == 0:
            return F.embedding(raster(coords, extent), self._resize(extent, coords.device))
        # Cells are resized around their centers, as interpolation does.
        scale = torch.tensor([own / at_hand for own, at_hand in zip(self.extent, extent, strict=True)])
        return self.outside((coords + 0.5) * scale.to(coords) - 0.5)

    def add(
        self, values: Float[Tensor, "*n d"], coords: Float[Tensor, "*n p"], extent: tuple[int, ...], beyond: int = 0
    ) -> Float[Tensor, "*n d"]:
        """Values that know where they are."""
        return values + self(coords, extent, beyond)

    def rotation(self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...], beyond: int = 0) -> Rotation | None:
        """None: this position is added once, and turns nothing."""
        return None

    def _resize(self, extent: tuple[int, ...], device: torch.device) -> Float[Tensor, "n d"]:
        if extent == self.extent:
            return self.table(device)
        key = (extent, device)
        if key not in self._resized:
            if len(extent) != len(self.extent) or len(extent) not in (2, 3):
                raise ValueError(f"positions were made for a grid of {self.extent} and do not fit one of {extent}")
            cells = self.table(device).unflatten(0, self.extent).movedim(-1, 0).unsqueeze(0)
            mode = "bicubic" if len(extent) == 2 else "trilinear"
            resized = F.interpolate(cells, size=extent, mode=mode, align_corners=False)
            self._resized[key] = resized[0].flatten(1).T.contiguous()
        return self._resized[key]


class SinCos(GridPosition):
    """Fixed sines and cosines (I-JEPA, released code; base 10,000), computed and never stored in a checkpoint."""

    def __init__(
        self, dim: int, extent: tuple[int, ...], order: tuple[int, ...] | None = None, shares: Shares = "equal"
    ) -> None:
        super().__init__(extent)
        self.dim, self.order = dim, order or tuple(range(len(extent)))[::-1]
        self.shares: Shares = shares
        shares_of(dim, len(extent), shares)  # so that a width that does not fit is refused here
        self._tables: dict[torch.device, Tensor] = {}

    def table(self, device: torch.device) -> Float[Tensor, "n d"]:
        if device not in self._tables:
            self._tables[device] = sin_cos(grid(self.extent, device), self.dim, self.order, self.shares)
        return self._tables[device]

    def outside(self, coords: Float[Tensor, "*n p"]) -> Float[Tensor, "*n d"]:
        """Sines and cosines are known everywhere."""
        return sin_cos(coords, self.dim, self.order, self.shares)

    def __deepcopy__(self, memo: dict[int, object]) -> "SinCos":
        return SinCos(self.dim, self.extent, self.order, self.shares)


class Table(GridPosition):
    """Vectors that came with a checkpoint and are not sines and cosines; kept as they are, not trained."""

    def __init__(self, dim: int, extent: tuple[int, ...]) -> None:
        super().__init__(extent)
        self.vectors = nn.Parameter(torch.zeros(math.prod(extent), dim), requires_grad=False)

    def table(self, device: torch.device) -> Float[Tensor, "n d"]:
        return self.vectors.to(device)

    def outside(self, coords: Float[Tensor, "*n p"]) -> Float[Tensor, "*n d"]:
        """Raises ValueError: nobody knows how they go on."""
        raise ValueError(
            "these positions came as a table with the weights, which ends with its grid, so nothing can be predicted "
            "behind it; take weights whose positions are sines and cosines, or rotary"
        )

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        self._resized.clear()
        super()._load_from_state_dict(*arguments, **named)


Variant = Literal["exact", "released"]
Snap = Literal["corners", "cells"]
"""How a grid is laid on the trained one: first and last cells on each other, or edges on edges (V-JEPA 2-AC)."""


class Rotary(nn.Module):
    """Turns queries and keys by their place: three axes share the channels of a head, and a rest is not turned.

    "exact" turns each pair of neighboring channels by one angle, so that products depend on differences of places only
    (RoFormer 2104.09864; V-JEPA 2.1 2603.14482). "released" is V-JEPA 2 (2506.09985) as published: the two channels of
    a pair take angles of different rates, which is no rotation, but what its weights were trained with. With `trained`,
    rows and columns are scaled to a grid of that many, whatever the grid at hand (V-JEPA 2.1), as `snap` says.
    """

    def __init__(
        self, head_dim: int, variant: Variant = "exact", trained: int | None = None, snap: Snap = "corners"
    ) -> None:
        super().__init__()
        if head_dim % 2 or head_dim < 6:
            raise ValueError(f"rotary positions turn pairs on three axes: heads need an even width of 6 or more, "
                             f"got {head_dim}")  # fmt: skip
        self.head_dim, self.trained = head_dim, trained
        self.variant: Variant = variant
        self.snap: Snap = snap
        self._tables: dict[tuple[tuple[int, ...], torch.device], tuple[Tensor, Tensor]] = {}

    def add(
        self, values: Float[Tensor, "*n d"], coords: Float[Tensor, "*n p"], extent: tuple[int, ...], beyond: int = 0
    ) -> Float[Tensor, "*n d"]:
        """The values themselves: nothing is added."""
        return values

    def rotation(self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...], beyond: int = 0) -> Rotation:
        """The angles at `coords`, out of a table that is made once per grid, longer by `beyond` steps of time."""
        extent = (extent[0] + beyond, *extent[1:])
        key = (extent, coords.device)
        if key not in self._tables:
            self._tables[key] = self._table(grid(extent, coords.device), extent)
        index = raster(coords, extent)
        cos, sin = (F.embedding(index, part) for part in self._tables[key])
        return Rotation(cos, sin)

    def _table(
        self, places: Float[Tensor, "n p"], extent: tuple[int, ...]
    ) -> tuple[Float[Tensor, "n e"], Float[Tensor, "n e"]]:
        pairs = self.head_dim // len(extent) // 2
        angles = []
        for axis, size in enumerate(extent):
            place = places[:, axis, None].double()
            if self.trained is not None and axis > 0 and size > 1:
                place = place * ((self.trained - 1) / (size - 1) if self.snap == "corners" else self.trained / size)
            angle = place * rates(pairs, places.device)
            angles.append(angle.repeat_interleave(2, 1) if self.variant == "exact" else angle.repeat(1, 2))
        rest = self.head_dim - 2 * pairs * len(extent)
        turned = F.pad(torch.cat(angles, dim=1), (0, rest))
        sign = torch.tensor([-1.0, 1.0], dtype=torch.float64, device=places.device).repeat(self.head_dim // 2)
        return turned.cos().float(), (turned.sin() * sign).float()

    def __deepcopy__(self, memo: dict[int, object]) -> "Rotary":
        return Rotary(self.head_dim, self.variant, self.trained, self.snap)


Position = GridPosition | Rotary
"""Both add to values and give a rotation; each does one of the two."""
