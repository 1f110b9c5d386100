"""Position tables of strangers: kept where they are data, dropped where they are a formula."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from jepakit.parts.nn.position import IN_TIME, Shares, grid, sin_cos
from jepakit.weights.keys import State

VECTORS = "position.vectors"
# The tables of the released checkpoints were computed in float64 and stored in float32: 6e-8 off at most.
TOLERANCE = 1e-5

_CLIP_SHARES: tuple[Shares, ...] = ("uniform", "half_time")

Kind = Literal["sin_cos", "table"]


def grid_of(
    table: Float[Tensor, "n d"], where: str, extent: tuple[int, int] | None = None
) -> tuple[tuple[int, int], Kind]:
    """Rows and columns that a table was made for, and whether it is I-JEPA's sines and cosines (column first).

    Where `extent` does not say it, sines and cosines tell their grid, and a table of another origin is taken for a
    square. Raises ValueError if it cannot be one.
    """
    cells, dim = table.shape
    if extent is not None and math.prod(extent) != cells:
        raise ValueError(
            f"{where} says that its grid is {extent[0]} x {extent[1]}, but has positions for {cells} cells"
        )
    shapes = [extent] if extent is not None else [(rows, cells // rows) for rows in _divisors(cells)]
    for shape in shapes if dim % 4 == 0 else []:
        if distance(table, shape) <= TOLERANCE:
            return shape, "sin_cos"
    side = math.isqrt(cells)
    if extent is None and side * side != cells:
        raise ValueError(
            f"the position table of {where} has {cells} cells, which are neither a square nor I-JEPA's sines and "
            "cosines, so its rows and columns cannot be told"
        )
    return extent or (side, side), "table"


def clip_grid_of(table: Float[Tensor, "n d"], where: str) -> tuple[tuple[int, int, int], Shares]:
    """Tubelets, rows and columns that V-JEPA's sines and cosines were made for, and how axes share the channels.

    The vector of the last cell says where that cell is. Raises ValueError for a table of another origin: it would be
    lost.
    """
    cells, dim = table.shape
    shapes = [(time, rows, cells // time // rows) for time in _divisors(cells) for rows in _divisors(cells // time)]
    corners, off = torch.tensor(shapes, dtype=torch.float32) - 1, math.inf
    for shares in _CLIP_SHARES if dim % 8 == 0 else _CLIP_SHARES[:1]:
        found = (sin_cos(corners, dim, IN_TIME, shares) - table[-1].float()).abs().amax(dim=1).argmin()
        shape = shapes[int(found)]
        if (off := min(off, distance(table, shape, IN_TIME, shares))) <= TOLERANCE:
            return shape, shares
    raise ValueError(
        f"the position table of {where} differs from V-JEPA's sines and cosines by {off:.2g} on every grid of its "
        f"{cells} cells; it would be lost"
    )


def distance(
    table: Float[Tensor, "n d"], extent: tuple[int, ...], order: tuple[int, ...] = (1, 0), shares: Shares = "equal"
) -> float:
    """The largest difference to sines and cosines on a grid of `extent`: those of I-JEPA, if nothing else is said."""
    return float((table.float() - sin_cos(grid(extent), table.shape[1], order, shares)).abs().max())


def without_table(
    state: State, extent: tuple[int, ...], name: str, order: tuple[int, ...] = (1, 0), shares: Shares = "equal"
) -> State:
    """`state` without a position table that is only the formula. Raises ValueError if it is anything else."""
    table = state[VECTORS]
    if len(table) != math.prod(extent):
        raise ValueError(f"{name} has {len(table)} cells, the encoder has a grid of {extent}")
    if (off := distance(table, extent, order, shares)) > TOLERANCE:
        raise ValueError(f"{name} differs from sines and cosines on a grid of {extent} by {off:.2g}; it would be lost")
    return {key: tensor for key, tensor in state.items() if key != VECTORS}


def resize_table(table: Float[Tensor, "n d"], old: tuple[int, int], new: tuple[int, int]) -> Float[Tensor, "m d"]:
    """A table on another grid, by bicubic interpolation."""
    cells = table.float().unflatten(0, old).movedim(-1, 0).unsqueeze(0)
    return F.interpolate(cells, size=new, mode="bicubic", align_corners=False)[0].flatten(1).T.contiguous()


def _divisors(cells: int) -> list[int]:
    """Divisors, those nearest to the square root first."""
    found = [rows for rows in range(1, cells + 1) if cells % rows == 0]
    return sorted(found, key=lambda rows: abs(math.log(rows * rows / cells)))


def table_of(position: torch.nn.Module) -> Float[Tensor, "n d"]:
    """The vectors that a network adds to the cells of the grid it was made for, stored or computed."""
    return position.table(torch.device("cpu"))  # pyright: ignore[reportCallIssue]
