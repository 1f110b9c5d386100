"""How fast multi-block masks are drawn: a whole batch at once against one sample after the other.

    python -m benchmarks.masks

The plain side is the algorithm of I-JEPA (2301.08243, section 3 and appendix A.1) as one writes it down: for each
picture, draw places, fill in blocks, take the targets out of the context, read the indices off. Both sides draw from
the same distribution (tests/benchmarks/test_masks.py). The goal is a ratio of 50, for masks cut to the shortest by
their first indices, as the released code cuts them; a random choice, our default, is the second row.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from functools import partial

import torch
from rich.console import Console
from rich.table import Table
from torch import Generator, Tensor

from benchmarks.record import control_holds, interleave, ratio, record
from jepakit.contracts import Rows
from jepakit.parts.masks.blocks import BlockMasker
from jepakit.parts.masks.rectangle import Rectangular
from jepakit.parts.nn.position import grid

EXTENT, BATCH, GOAL = (16, 16), 128, 50.0
SIDES, PLAIN_DRAWS, DRAWS = ("plain", "jepakit", "jepakit again"), 4, 100
BLOCKS, MIN_KEEP, RETRIES = 4, 10, 20
Size = tuple[int, int]


def plain_masks(count: int, extent: Size, how: Rectangular, generator: Generator) -> tuple[Tensor, list[Tensor]]:
    """Context [b c] and four targets [b k] each: one size of block for the batch, places for each sample."""
    size = draw_size((0.15, 0.2), (0.75, 1.5), extent, generator)
    context_size = draw_size((0.85, 1.0), (1.0, 1.0), extent, generator)
    contexts, targets = [], [[] for _ in range(BLOCKS)]
    for _ in range(count):
        context, blocks = plain_sample(size, context_size, extent, generator)
        contexts.append(context)
        for kept, block in zip(targets, blocks, strict=True):
            kept.append(block)
    return stack(contexts, how, generator), [stack(kept, how, generator) for kept in targets]


def plain_sample(size: Size, context_size: Size, extent: Size, generator: Generator) -> tuple[Tensor, list[Tensor]]:
    """The indices of one sample: its context and its target blocks."""
    blocks = [draw_block(size, extent, generator) for _ in range(BLOCKS)]
    context = torch.zeros(extent)
    for _ in range(RETRIES):
        context = draw_block(context_size, extent, generator)
        for block in blocks:
            context = context * (1 - block)
        if context.sum() >= MIN_KEEP:
            break
    return indices(context), [indices(block) for block in blocks]


def draw_size(scale: tuple[float, float], aspect: tuple[float, float], extent: Size, generator: Generator) -> Size:
    """Rows and columns of a block."""
    first, second = torch.rand(2, generator=generator).tolist()
    area = int(extent[0] * extent[1] * (scale[0] + first * (scale[1] - scale[0])))
    ratio_of_sides = aspect[0] + second * (aspect[1] - aspect[0])
    height, width = round(math.sqrt(area * ratio_of_sides)), round(math.sqrt(area / ratio_of_sides))
    return min(height, extent[0]), min(width, extent[1])


def draw_block(size: Size, extent: Size, generator: Generator) -> Tensor:
    """One block at a random place, as ones among zeros."""
    top = int(torch.randint(0, extent[0] - size[0] + 1, (1,), generator=generator))
    left = int(torch.randint(0, extent[1] - size[1] + 1, (1,), generator=generator))
    block = torch.zeros(extent)
    block[top : top + size[0], left : left + size[1]] = 1
    return block


def indices(block: Tensor) -> Tensor:
    """The places of a block in raster order."""
    return torch.nonzero(block.flatten()).squeeze(1)


def stack(rows: list[Tensor], how: Rectangular, generator: Generator) -> Tensor:
    """Rows of different lengths, cut to the shortest: its first indices, or a random choice of them."""
    size = min(len(row) for row in rows)
    if how == "random":
        rows = [row[torch.randperm(len(row), generator=generator)[:size].sort().values] for row in rows]
    return torch.stack([row[:size] for row in rows])


def vectorized(how: Rectangular) -> Callable[[Generator], object]:
    """jepakit's way."""
    masker, coords = BlockMasker(rectangular=how), grid(EXTENT).expand(BATCH, -1, -1)
    return lambda generator: masker(coords, EXTENT, generator, Rows(0, BATCH, BATCH))


def measure(how: Rectangular, rounds: int) -> dict[str, list[float]]:
    """Seconds a batch of each side. Draws are short, so that a round makes many of them."""
    ours, generators = vectorized(how), {side: torch.Generator().manual_seed(0) for side in SIDES}

    times = dict(zip(SIDES, (PLAIN_DRAWS, DRAWS, DRAWS), strict=True))
    draw = {"plain": lambda generator: plain_masks(BATCH, EXTENT, how, generator), "jepakit": ours}

    def several(side: str) -> None:
        for _ in range(times[side]):
            draw[side.removesuffix(" again")](generators[side])

    seconds = interleave({side: partial(several, side) for side in times}, rounds, warmup=2)
    return {side: [time / times[side] for time in found] for side, found in seconds.items()}


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/masks.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title=f"Multi-block masks of {BATCH} pictures of {EXTENT[0]}x{EXTENT[1]} patches, one thread")
    for column in ("cut to the shortest by", "plain, ms", "jepakit, ms", "ratio", "5 % to 95 %", "control"):
        table.add_column(column, justify="right")
    rows = {}
    for how in ("first", "random"):
        seconds = measure(how, arguments.rounds)
        speedup = ratio(seconds["plain"], seconds["jepakit"])
        control = ratio(seconds["jepakit again"], seconds["jepakit"])
        rows[how] = {"ratio": speedup, "control": control, "valid": control_holds(control)}
        plain, ours = (1e3 * statistics.median(seconds[name]) for name in ("plain", "jepakit"))
        interval = f"{speedup['low']:.0f} to {speedup['high']:.0f}"
        table.add_row(
            how, f"{plain:.1f}", f"{ours:.2f}", f"{speedup['value']:.0f}", interval, f"{control['value']:.3f}"
        )
    Console().print(table)
    claim = {"speed.masks_2d.ratio": {**rows["first"]["ratio"], "unit": "times"}} if rows["first"]["valid"] else {}
    print(f"written to {record('masks', {'claims': claim, 'goal': GOAL, 'rows': rows})}")


if __name__ == "__main__":
    main()
