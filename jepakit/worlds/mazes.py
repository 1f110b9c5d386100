"""Layouts of mazes: drawn from a number, packed into a state, and ways through them counted in cells."""

from functools import lru_cache
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

FREE = (0.5, 0.8)
"""Share of free cells, as in HWM's mazes (2604.03208, appendix on Diverse Maze)."""
_BITS = 16
"""Cells per number of a state: float32 holds 24 bits exactly."""


@lru_cache(maxsize=16)
def draw_layouts(cells: int, first: int, count: int) -> Bool[Tensor, "m n n"]:
    """Where the walls are in the mazes numbered from `first`: each is a function of its number."""
    return torch.stack([torch.from_numpy(_draw_layout(cells, number)) for number in range(first, first + count)])


def _draw_layout(cells: int, number: int) -> np.ndarray:
    """Cells are walled up in any order, where that cuts nothing off, until few enough are free.

    Layouts without a way as long as that between two corners of an open board are thrown away.
    """
    generator = np.random.default_rng([cells, number])
    while True:
        free = np.ones((cells, cells), dtype=bool)
        wanted = generator.uniform(*FREE) * cells**2
        for cell in generator.permutation(cells**2):
            row, column = divmod(int(cell), cells)
            free[row, column] = False
            _, pieces = cast(tuple[np.ndarray, int], ndimage.label(free))
            if pieces > 1:
                free[row, column] = True
            if free.sum() <= wanted:
                break
        if int(steps_between(torch.from_numpy(~free)[None]).max()) >= 2 * cells - 2:
            return ~free


def pack(walls: Bool[Tensor, "*s n n"]) -> Float[Tensor, "*s words"]:
    """The walls as numbers that go through float32 and back unchanged."""
    flat = walls.flatten(-2).long()
    flat = F.pad(flat, (0, -flat.shape[-1] % _BITS)).unflatten(-1, (-1, _BITS))
    return (flat << torch.arange(_BITS, device=walls.device)).sum(dim=-1).to(torch.float32)


def unpack(packed: Float[Tensor, "*s words"], cells: int) -> Bool[Tensor, "*s n n"]:
    """What was packed."""
    bits = (packed.long().unsqueeze(-1) >> torch.arange(_BITS, device=packed.device)) & 1
    return bits.flatten(-2)[..., : cells**2].bool().unflatten(-1, (cells, cells))


def is_wall(
    packed: Float[Tensor, "*s words"], rows: Int[Tensor, "*s"], columns: Int[Tensor, "*s"], cells: int
) -> Bool[Tensor, "*s"]:
    """Whether there is a wall in a cell of each layout; all that is outside is wall."""
    outside = (rows < 0) | (rows >= cells) | (columns < 0) | (columns >= cells)
    cell = torch.where(outside, 0, rows * cells + columns)
    word = packed.gather(-1, (cell // _BITS).unsqueeze(-1)).squeeze(-1).long()
    return outside | (((word >> (cell % _BITS)) & 1) == 1)


def steps_from(walls: Bool[Tensor, "b n n"], cells: Int[Tensor, "b"]) -> Int[Tensor, "b n n"]:
    """How many steps each cell is away from one of them, up, down or aside; -1 where no way leads."""
    free = ~walls
    side = walls.shape[-1]
    reached = F.one_hot(cells, side**2).bool().unflatten(-1, (side, side)) & free
    steps = torch.where(reached, 0, -1)
    for step in range(1, side**2):
        wide = F.pad(reached, (1, 1, 1, 1))
        beside = wide[:, 2:, 1:-1] | wide[:, :-2, 1:-1] | wide[:, 1:-1, 2:] | wide[:, 1:-1, :-2]
        new = beside & free & ~reached
        if not new.any():
            break
        steps = torch.where(new, step, steps)
        reached = reached | new
    return steps


def steps_between(walls: Bool[Tensor, "m n n"]) -> Int[Tensor, "m c c"]:
    """The steps between any two cells of each layout, -1 where no way leads."""
    count = walls.shape[-1] ** 2
    starts = torch.arange(count).repeat(len(walls))
    return steps_from(walls.repeat_interleave(count, dim=0), starts).view(len(walls), count, count)
