"""How fast masks of clips are drawn, a whole batch at once against one clip after the other, and what is cut off them.

    python -m benchmarks.masks_3d

The plain side is the algorithm of V-JEPA (2404.08471, section 3.2 and appendix) as one writes it down: for each clip,
multiply what its blocks leave, draw again if nothing is left, read the indices off. Both sides draw from the same
distribution (tests/benchmarks/test_masks_3d.py), and both of V-JEPA's families for every clip, which is what a step
needs. The goal is a ratio of 10 (15 hoped for) for masks cut to the shortest by their first indices, as the released
code cuts them. "painted" is a quicker plain side, which writes the blocks into one array instead of multiplying.

First indices are those of early frames: the second table counts what each way of cutting keeps, step by step.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Generator, Tensor

from benchmarks.masks import indices, stack
from benchmarks.record import control_holds, interleave, ratio, record
from jepakit.contracts import Rows
from jepakit.parts.masks.rectangle import Rectangular
from jepakit.parts.masks.tubes import TubeMasker
from jepakit.parts.nn.position import grid

EXTENT, BATCH, GOAL = (8, 14, 14), 32, 10.0
# Clips a GPU in V-JEPA's released configs: the number that masks are cut to the shortest of.
KEPT_BATCH, KEPT_DRAWS = 24, 200
FAMILIES = {"short": (8, 0.15), "long": (2, 0.7)}
WAYS: tuple[Rectangular, ...] = ("first", "random", "pad")
DRAWS = {"plain": 4, "painted": 4, "jepakit": 60, "jepakit again": 60}
Clip = tuple[int, int, int]
PlainClip = Callable[[int, Clip, Generator, Clip], Tensor]


def plain_masks(
    count: int,
    blocks: int,
    scale: float,
    how: Rectangular,
    generator: Generator,
    clip: PlainClip,
    extent: Clip = EXTENT,
) -> tuple[Tensor, Tensor]:
    """Context [b c] and targets [b k] of one family: one size of block for the batch, places for each clip."""
    size = draw_size(scale, (0.75, 1.5), generator, extent)
    contexts, targets = [], []
    for _ in range(count):
        context = clip(blocks, size, generator, extent)
        while not context.any():
            context = clip(blocks, size, generator, extent)
        contexts.append(indices(context))
        targets.append(indices(1 - context))
    return stack(contexts, how, generator), stack(targets, how, generator)


def multiplied(blocks: int, size: Clip, generator: Generator, extent: Clip) -> Tensor:
    """What the blocks of one clip leave to see, as ones among zeros: the product of what each of them leaves."""
    context = torch.ones(extent, dtype=torch.int32)
    for _ in range(blocks):
        left = torch.ones(extent, dtype=torch.int32)
        left[draw_place(size, generator, extent)] = 0
        context = context * left
    return context


def painted(blocks: int, size: Clip, generator: Generator, extent: Clip) -> Tensor:
    """The same, with all blocks written into one array."""
    context = torch.ones(extent, dtype=torch.int32)
    for _ in range(blocks):
        context[draw_place(size, generator, extent)] = 0
    return context


def draw_size(scale: float, aspect: tuple[float, float], generator: Generator, extent: Clip) -> Clip:
    """Steps, rows and columns of a block that spans the clip."""
    area = int(extent[1] * extent[2] * scale)
    ratio_of_sides = aspect[0] + float(torch.rand(1, generator=generator)) * (aspect[1] - aspect[0])
    height, width = round(math.sqrt(area * ratio_of_sides)), round(math.sqrt(area / ratio_of_sides))
    return extent[0], min(height, extent[1]), min(width, extent[2])


def draw_place(size: Clip, generator: Generator, extent: Clip) -> tuple[slice, slice, slice]:
    """Where a block lies: steps, rows and columns."""
    starts = (
        int(torch.randint(0, limit - side + 1, (1,), generator=generator))
        for side, limit in zip(size, extent, strict=True)
    )
    time, rows, columns = (slice(start, start + side) for start, side in zip(starts, size, strict=True))
    return time, rows, columns


def plain_families(how: Rectangular, clip: PlainClip, generator: Generator) -> list[tuple[Tensor, Tensor]]:
    """Both families for a batch, one clip after the other."""
    return [plain_masks(BATCH, blocks, scale, how, generator, clip) for blocks, scale in FAMILIES.values()]


def vectorized(how: Rectangular) -> Callable[[Generator], object]:
    """jepakit's way."""
    maskers = [TubeMasker(blocks, (scale, scale), rectangular=how) for blocks, scale in FAMILIES.values()]
    coords, rows = grid(EXTENT).expand(BATCH, -1, -1), Rows(0, BATCH, BATCH)
    return lambda generator: [masker(coords, EXTENT, generator, rows) for masker in maskers]


def measure(how: Rectangular, rounds: int) -> dict[str, list[float]]:
    """Seconds a batch of each side. Draws are short, so that a round makes many of them."""
    generators = {side: torch.Generator().manual_seed(0) for side in DRAWS}
    draw = {
        "plain": partial(plain_families, how, multiplied),
        "painted": partial(plain_families, how, painted),
        "jepakit": vectorized(how),
    }

    def several(side: str) -> None:
        for _ in range(DRAWS[side]):
            draw[side.removesuffix(" again")](generators[side])

    seconds = interleave({side: partial(several, side) for side in DRAWS}, rounds, warmup=2)
    return {side: [time / DRAWS[side] for time in found] for side, found in seconds.items()}


def kept(family: str, how: Rectangular) -> dict[str, list[float]]:
    """Mean number of tokens of each time step that are left in the context and in the targets."""
    blocks, scale = FAMILIES[family]
    masker, generator = TubeMasker(blocks, (scale, scale), rectangular=how), torch.Generator().manual_seed(0)
    coords, rows = grid(EXTENT).expand(KEPT_BATCH, -1, -1), Rows(0, KEPT_BATCH, KEPT_BATCH)
    counts = torch.zeros(2, EXTENT[0], dtype=torch.float64)
    for _ in range(KEPT_DRAWS):
        split = masker(coords, EXTENT, generator, rows)
        for part, index in enumerate((split.context, split.targets)):
            steps = index[index >= 0] // (EXTENT[1] * EXTENT[2])
            counts[part] += torch.bincount(steps, minlength=EXTENT[0])
    context, targets = (counts / (KEPT_DRAWS * KEPT_BATCH)).tolist()
    return {"context": context, "targets": targets}


def compare_speed(rounds: int) -> dict[str, dict[str, Any]]:
    """Measures two ways of cutting and prints a table."""
    title = f"Both families of masks of {BATCH} clips of {'x'.join(map(str, EXTENT))} tokens, one thread"
    heads = ("plain, ms", "painted, ms", "jepakit, ms", "ratio", "5 % to 95 %", "to painted", "control")
    table = table_of(title, "made rectangular by", *heads)
    rows: dict[str, dict[str, Any]] = {}
    for how in ("first", "random"):
        seconds = measure(how, rounds)
        speedup, to_painted, control = (
            ratio(seconds[side], seconds["jepakit"]) for side in ("plain", "painted", "jepakit again")
        )
        valid = control_holds(control)
        rows[how] = {"ratio": speedup, "ratio_to_painted": to_painted, "control": control, "valid": valid}
        times = (f"{1e3 * statistics.median(seconds[side]):.2f}" for side in ("plain", "painted", "jepakit"))
        interval = f"{speedup['low']:.1f} to {speedup['high']:.1f}"
        ends = f"{to_painted['value']:.1f}", f"{control['value']:.3f}"
        table.add_row(how, *times, f"{speedup['value']:.1f}", interval, *ends)
    Console().print(table)
    return rows


def count_kept() -> dict[str, dict[str, list[float]]]:
    """Counts what each way of cutting keeps and prints a table."""
    title = f"Tokens kept of each time step, batches of {KEPT_BATCH} clips"
    table = table_of(title, "family", "made rectangular by", "", *map(str, range(1, EXTENT[0] + 1)))
    rows = {}
    for family in FAMILIES:
        for how in WAYS:
            rows[f"{family}.{how}"] = found = kept(family, how)
            for part, counts in found.items():
                table.add_row(family, how, part, *(f"{count:.1f}" for count in counts))
    Console().print(table)
    return rows


def table_of(title: str, *columns: str) -> Table:
    """An empty table with these heads."""
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def claims_of(speed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """How much faster, for the released code's way of cutting and for the default; none where the control was off."""
    names = {"first": "speed.masks_3d.ratio", "random": "speed.masks_3d.random.ratio"}
    return {name: {**speed[how]["ratio"], "unit": "times"} for how, name in names.items() if speed[how]["valid"]}


def main() -> None:
    """Measures, prints two tables and writes results/benchmarks/masks_3d.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    speed = compare_speed(arguments.rounds)
    payload = {"claims": claims_of(speed), "goal": GOAL, "rows": {"speed": speed, "kept": count_kept()}}
    print(f"written to {record('masks_3d', payload)}")


if __name__ == "__main__":
    main()
