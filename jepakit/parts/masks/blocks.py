"""Multi-block masks: predict a few blocks of a picture from the rest of it (I-JEPA 2301.08243, section 3)."""

import math

import torch
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
        return Split(
            rectangle(context, self.rectangular, generator)[mine],
            rectangle(targets, self.rectangular, generator)[mine],
        )

    def draw(
        self, extent: tuple[int, int], generator: Generator, count: int
    ) -> tuple[Bool[Tensor, "b m n"], Bool[Tensor, "b n"]]:
        """Which tokens are targets and which are context, for `count` samples."""
        size = self._size(self.block_scale, self.block_aspect, extent, generator)
        context_size = self._size(self.context_scale, (1.0, 1.0), extent, generator)
        targets = self._place(size, extent, generator, (count, self.blocks))
        context = self._place(context_size, extent, generator, (count, 1))[:, 0]
        if self.remove_targets:
            targets, context = self._remove(targets, context, size, context_size, extent, generator)
        return targets, context

    def _remove(
        self,
        targets: Bool[Tensor, "b m n"],
        context: Bool[Tensor, "b n"],
        size: tuple[int, int],
        context_size: tuple[int, int],
        extent: tuple[int, int],
        generator: Generator,
    ) -> tuple[Bool[Tensor, "b m n"], Bool[Tensor, "b n"]]:
        """Takes the targets out of the context, and draws again where too little is left."""
        enough = min(self.min_keep, math.prod(extent) // 5)
        rest = context & ~targets.any(dim=1)
        for attempt in range(ROUNDS):
            short = (rest.sum(dim=1) < enough).nonzero()[:, 0]
            if not len(short):
                return targets, rest
            if attempt < RETRIES:
                context[short] = self._place(context_size, extent, generator, (len(short), 1))[:, 0]
            elif attempt == RETRIES:
                context[short] = self._reach(extent)
            else:
                targets[short] = self._place(size, extent, generator, (len(short), self.blocks))
            rest = context & ~targets.any(dim=1)
        raise ValueError(
            f"{self.blocks} target blocks of {size} leave fewer than {enough} of {math.prod(extent)} context tokens; "
            "lower block_scale or blocks"
        )

    def _reach(self, extent: tuple[int, int]) -> Bool[Tensor, " n"]:
        """The cells that a block can cover at all."""
        cells = torch.ones(extent, dtype=torch.bool)
        if self.released:
            cells[-1], cells[:, -1] = False, False
        return cells.flatten()

    def _size(self, scale: Range, aspect: Range, extent: tuple[int, int], generator: Generator) -> tuple[int, int]:
        first, second = torch.rand(2, generator=generator).tolist()
        area = math.floor(math.prod(extent) * (scale[0] + first * (scale[1] - scale[0])))
        ratio = aspect[0] + (first if self.released else second) * (aspect[1] - aspect[0])
        wished = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        edge = 1 if self.released else 0
        height, width = (max(1, min(side, limit - edge)) for side, limit in zip(wished, extent, strict=True))
        return height, width

    def _place(
        self, size: tuple[int, int], extent: tuple[int, int], generator: Generator, shape: tuple[int, ...]
    ) -> Bool[Tensor, "... n"]:
        """Blocks of one size at random places, as masks over the flat grid."""
        inside = [self._cover(side, limit, generator, shape) for side, limit in zip(size, extent, strict=True)]
        return (inside[0].unsqueeze(-1) & inside[1].unsqueeze(-2)).flatten(-2)

    def _cover(self, side: int, limit: int, generator: Generator, shape: tuple[int, ...]) -> Bool[Tensor, "... s"]:
        starts = limit - side + (0 if self.released else 1)
        start: Int[Tensor, "..."] = torch.randint(0, max(starts, 1), shape, generator=generator)
        ticks = torch.arange(limit)
        return (ticks >= start.unsqueeze(-1)) & (ticks < start.unsqueeze(-1) + side)
