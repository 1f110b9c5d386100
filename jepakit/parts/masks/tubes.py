"""Masks of clips: what moves is hidden for a stretch of time, so that it cannot be copied from the frame before."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from jepakit.contracts import Rows
from jepakit.parts.masks.blocks import Range, cover, stripes
from jepakit.parts.masks.rectangle import Rectangular, rectangles
from jepakit.tokens import Split

RETRIES = 20
ROUNDS = 100

Clip = tuple[int, int, int]


class TubeMasker:
    """One family of V-JEPA's multi-block masks (2404.08471, section 3.2): a few blocks are hidden through time.

    The union of `blocks` blocks is asked for, as one block of targets; all the rest is context. The size of a block is
    drawn once for the batch: `block_scale` is its share of a frame, `temporal_scale` its share of the clip. Places are
    drawn for each sample, and again where nothing would be left to see. Of the context only the first
    `max_temporal_keep` of the time steps is shown; all later steps are then asked for. V-JEPA uses two families,
    short-range 8 x 0.15 and long-range 2 x 0.7.

    `rectangular` holds for context and targets. "first" is the released code, which so drops the end of the clips.
    """

    def __init__(
        self,
        blocks: int = 8,
        block_scale: Range = (0.15, 0.15),
        block_aspect: Range = (0.75, 1.5),
        temporal_scale: Range = (1.0, 1.0),
        max_temporal_keep: float = 1.0,
        rectangular: Rectangular = "random",
    ) -> None:
        if blocks < 1:
            raise ValueError(f"blocks is a number of blocks and at least 1, got {blocks}")
        for name, (low, high) in {"block_scale": block_scale, "temporal_scale": temporal_scale}.items():
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name} is a range of shares in (0, 1], smaller first, got {(low, high)}")
        if not 0 < block_aspect[0] <= block_aspect[1]:
            raise ValueError(f"block_aspect is a range of ratios above 0, smaller first, got {block_aspect}")
        if not 0 < max_temporal_keep <= 1:
            raise ValueError(f"max_temporal_keep is a share of the clip in (0, 1], got {max_temporal_keep}")
        self.blocks, self.block_scale, self.block_aspect = blocks, block_scale, block_aspect
        self.temporal_scale, self.max_temporal_keep = temporal_scale, max_temporal_keep
        self.rectangular: Rectangular = rectangular

    def __call__(
        self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...] | None, generator: Generator, rows: Rows
    ) -> Split:
        """The masks of `rows`, out of a draw for the whole batch. A plane is a clip of one time step.

        Raises ValueError without a grid, and where a block cannot help covering all of it.
        """
        context = self.draw(clip_of(extent), generator, rows.total)
        mine = slice(rows.first, rows.first + rows.count)
        seen, asked = rectangles(context, self.rectangular, generator)
        return Split(seen[mine], asked[mine].unsqueeze(1))

    def draw(self, extent: Clip, generator: Generator, count: int) -> Bool[Tensor, "b n"]:
        """Which tokens are context, for `count` samples; all others are asked for."""
        time, height, width = extent
        shown = max(1, math.floor(time * self.max_temporal_keep))
        size = self._size(extent, generator)
        free = cover_clips(self._corners(size, extent, generator, (count, self.blocks)), size, extent) == 0
        for attempt in range(ROUNDS):
            empty = (~free[:, :shown].flatten(1).any(dim=1)).nonzero()[:, 0]
            if not len(empty):
                # Blocks that span the clip are painted for one step, which stands for all.
                context = free.expand(-1, time, -1).flatten(1)
                return context if shown == time else context & (torch.arange(context.shape[1]) < shown * height * width)
            # Crowded blocks may hardly ever leave a gap; all of them on one place do.
            blocks = self.blocks if attempt < RETRIES else 1
            free[empty] = cover_clips(self._corners(size, extent, generator, (len(empty), blocks)), size, extent) == 0
        raise ValueError(
            f"{self.blocks} blocks of {size} leave nothing to see in the first {shown} steps of a clip of {extent} "
            "tokens; lower block_scale or temporal_scale"
        )

    def _size(self, extent: Clip, generator: Generator) -> Clip:
        """Steps, rows and columns of a block. One that would be the whole clip loses a row or column."""
        draws = torch.rand(3, generator=generator).tolist()
        ranges = (self.temporal_scale, self.block_scale, self.block_aspect)
        duration, share, ratio = (low + draw * (high - low) for draw, (low, high) in zip(draws, ranges, strict=True))
        area = math.floor(extent[1] * extent[2] * share)
        wished = extent[0] * duration, round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        steps, rows, columns = (max(1, min(int(side), limit)) for side, limit in zip(wished, extent, strict=True))
        if (steps, rows, columns) == extent:
            rows, columns = (max(1, rows - 1), columns) if rows > columns else (rows, max(1, columns - 1))
        return steps, rows, columns

    def _corners(self, size: Clip, extent: Clip, generator: Generator, shape: tuple[int, int]) -> Int[Tensor, "b m 3"]:
        """The first step, row and column of blocks of one size at random places."""
        starts = (limit - side + 1 for side, limit in zip(size, extent, strict=True))
        return torch.stack([torch.randint(0, count, shape, generator=generator) for count in starts], dim=-1)


class RandomTubeMasker:
    """Shows a random share `keep` of the places of a frame, the same at every time step, and asks for all others.

    VideoMAE's masks (2203.12602, section 3.3), there with `keep=0.1`; V-JEPA's ablation.
    """

    def __init__(self, keep: float = 0.1) -> None:
        if not 0 < keep < 1:
            raise ValueError(f"keep is the share of places that is shown, in (0, 1), got {keep}")
        self.keep = keep

    def __call__(
        self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...] | None, generator: Generator, rows: Rows
    ) -> Split:
        """The masks of `rows`, out of a draw for the whole batch. Raises ValueError without a grid."""
        time, height, width = clip_of(extent)
        places = height * width
        if places < 2:
            raise ValueError(f"frames of {height} x {width} tokens have no place to hide; use smaller patches")
        shown = min(max(round(self.keep * places), 1), places - 1)
        order = torch.rand(rows.total, places, generator=generator).argsort(dim=1)
        order = order[rows.first : rows.first + rows.count]
        seen, asked = (through_time(part.sort(dim=1).values, time, places) for part in order.tensor_split([shown], 1))
        return Split(seen, asked.unsqueeze(1))


class CausalMasker:
    """Shows the first `share` of the time steps and asks for all later ones: the future from the past."""

    def __init__(self, share: float = 0.5) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share is the part of the clip that is shown, in (0, 1), got {share}")
        self.share = share

    def __call__(
        self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...] | None, generator: Generator, rows: Rows
    ) -> Split:
        """The same mask for every sample. Raises ValueError without a grid, or with one time step."""
        time, height, width = clip_of(extent)
        if time < 2:
            raise ValueError("the future is asked for from two time steps on, this clip has one; give more frames")
        shown = min(max(round(self.share * time), 1), time - 1) * height * width
        tokens = torch.arange(time * height * width).repeat(rows.count, 1)
        return Split(tokens[:, :shown], tokens[:, shown:].unsqueeze(1))


def clip_of(extent: tuple[int, ...] | None) -> Clip:
    """Steps, rows and columns; a plane is a clip of one step. Raises ValueError for anything else."""
    if extent is None or len(extent) not in (2, 3):
        raise ValueError(
            f"masks of clips need a grid of (time, rows, columns), these tokens have {extent or 'no grid'}"
        )
    time, height, width = extent if len(extent) == 3 else (1, *extent)
    return time, height, width


def cover_clips(corners: Int[Tensor, "b m 3"], size: Clip, extent: Clip) -> Float[Tensor, "b t s"]:
    """In how many blocks each place of each step lies; one step stands for all where blocks span the clip."""
    if size[0] == extent[0]:
        return cover(corners[..., 1:], size[1:], extent[1:]).unsqueeze(1)
    steps, rows, columns = (stripes(corners[..., axis], size[axis], extent[axis]) for axis in range(3))
    return steps.mT.bmm((rows.unsqueeze(-1) * columns.unsqueeze(-2)).flatten(2))


def through_time(index: Int[Tensor, "b k"], time: int, places: int) -> Int[Tensor, "b n"]:
    """The same places of a frame at every step, in raster order."""
    return (torch.arange(time).mul(places).unsqueeze(1) + index.unsqueeze(1)).flatten(1)
