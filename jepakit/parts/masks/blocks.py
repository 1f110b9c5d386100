"""Multi-block masks: predict a few blocks of a picture from the rest of it (I-JEPA 2301.08243, section 3)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from jepakit.contracts import Rows
from jepakit.parts.masks.rectangle import Rectangular, rectangle
from jepakit.tokens import Split

RETRIES = 20
ROUNDS = 100

Range = tuple[float, float]


class BlockMasker:
    """Draws `blocks` target blocks and one square context block, from which the targets are removed.

    The size of the blocks is drawn once for the batch, their places for each sample. A context of fewer than
    `min_keep` tokens (at most a fifth of the grid, so that small grids work) is drawn again, and at last widened to
    the whole grid. `released` reproduces the released sampler: scale and aspect come from one number, a block is
    always smaller than the grid, and the last row and column are never used.
    """

    def __init__(
        self,
        blocks: int = 4,
        block_scale: Range = (0.15, 0.2),
        block_aspect: Range = (0.75, 1.5),
        context_scale: Range = (0.85, 1.0),
        min_keep: int = 10,
        remove_targets: bool = True,
        rectangular: Rectangular = "random",
        released: bool = False,
    ) -> None:
        for name, (low, high) in {"block_scale": block_scale, "context_scale": context_scale}.items():
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name} is a range of shares of the grid in (0, 1], got {(low, high)}")
        self.blocks, self.block_scale, self.block_aspect = blocks, block_scale, block_aspect
        self.context_scale, self.min_keep, self.remove_targets = context_scale, min_keep, remove_targets
        self.rectangular: Rectangular = rectangular
        self.released = released

    def __call__(
        self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...] | None, generator: Generator, rows: Rows
    ) -> Split:
        """The masks of `rows`, out of a draw for the whole batch. Raises ValueError without a 2D grid."""
        if extent is None or len(extent) != 2:
            raise ValueError(f"blocks are drawn on a 2D grid of patches, these tokens have {extent or 'no grid'}")
        targets, context = self.draw(extent, generator, rows.total)
        mine = slice(rows.first, rows.first + rows.count)
        return Split(rectangle(context, self.rectangular, generator)[mine], targets[mine])

    def draw(
        self, extent: tuple[int, int], generator: Generator, count: int
    ) -> tuple[Int[Tensor, "b m k"], Bool[Tensor, "b n"]]:
        """The places of the target blocks, and which tokens are context, for `count` samples."""
        size = self._size(self.block_scale, self.block_aspect, extent, generator)
        context_size = self._size(self.context_scale, (1.0, 1.0), extent, generator)
        corners = self._corners(size, extent, generator, (count, self.blocks))
        frame = cover(self._corners(context_size, extent, generator, (count, 1)), context_size, extent)
        if not self.remove_targets:
            return places_of_blocks(corners, size, extent), frame > 0
        corners, context = self._remove(corners, frame, size, context_size, extent, generator)
        return places_of_blocks(corners, size, extent), context

    def _remove(
        self,
        corners: Int[Tensor, "b m 2"],
        frame: Float[Tensor, "b n"],
        size: tuple[int, int],
        context_size: tuple[int, int],
        extent: tuple[int, int],
        generator: Generator,
    ) -> tuple[Int[Tensor, "b m 2"], Bool[Tensor, "b n"]]:
        """Takes the targets out of the context's frame, and draws again where too little is left."""
        enough = min(self.min_keep, math.prod(extent) // 5)
        for attempt in range(ROUNDS):
            rest = frame > cover(corners, size, extent)
            short = (rest.sum(dim=1) < enough).nonzero()[:, 0]
            if not len(short):
                return corners, rest
            if attempt < RETRIES:
                frame[short] = cover(
                    self._corners(context_size, extent, generator, (len(short), 1)), context_size, extent
                )
            elif attempt == RETRIES:
                frame[short] = self._reach(extent)
            else:
                corners[short] = self._corners(size, extent, generator, (len(short), self.blocks))
        raise ValueError(
            f"{self.blocks} target blocks of {size} leave fewer than {enough} of {math.prod(extent)} context tokens; "
            "lower block_scale or blocks"
        )

    def _reach(self, extent: tuple[int, int]) -> Float[Tensor, " n"]:
        """The cells that a block can cover at all."""
        cells = torch.ones(extent)
        if self.released:
            cells[-1], cells[:, -1] = 0.0, 0.0
        return cells.flatten()

    def _size(self, scale: Range, aspect: Range, extent: tuple[int, int], generator: Generator) -> tuple[int, int]:
        first, second = torch.rand(2, generator=generator).tolist()
        area = math.floor(math.prod(extent) * (scale[0] + first * (scale[1] - scale[0])))
        ratio = aspect[0] + (first if self.released else second) * (aspect[1] - aspect[0])
        wished = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        edge = 1 if self.released else 0
        height, width = (max(1, min(side, limit - edge)) for side, limit in zip(wished, extent, strict=True))
        return height, width

    def _corners(
        self, size: tuple[int, int], extent: tuple[int, int], generator: Generator, shape: tuple[int, int]
    ) -> Int[Tensor, "b m 2"]:
        """The first row and column of blocks of one size at random places."""
        edge = 0 if self.released else 1
        starts = (max(limit - side + edge, 1) for side, limit in zip(size, extent, strict=True))
        return torch.stack([torch.randint(0, count, shape, generator=generator) for count in starts], dim=-1)


def places_of_blocks(
    corners: Int[Tensor, "b m 2"], size: tuple[int, int], extent: tuple[int, int]
) -> Int[Tensor, "b m k"]:
    """The indices of all cells of each block, in raster order."""
    inside = torch.arange(size[0] * extent[1]).view(size[0], extent[1])[:, : size[1]].flatten()
    return torch.add(corners[..., 1:], corners[..., :1], alpha=extent[1]) + inside


def cover(corners: Int[Tensor, "b m 2"], size: tuple[int, int], extent: tuple[int, int]) -> Float[Tensor, "b n"]:
    """In how many of the blocks each cell lies: a product of rows and columns, which is the fastest way to paint."""
    rows, columns = (stripes(corners[..., axis], size[axis], extent[axis]) for axis in (0, 1))
    # One block needs no sum, and batched products of such thin matrices are slow.
    painted = rows.mT * columns if corners.shape[1] == 1 else rows.mT.bmm(columns)
    return painted.flatten(1)


def stripes(starts: Int[Tensor, "b m"], side: int, limit: int) -> Float[Tensor, "b m s"]:
    """Ones in the rows (or columns) that each block covers."""
    return F.embedding(starts, torch.ones(limit, limit).triu().tril(side - 1))
