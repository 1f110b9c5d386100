"""The training step of the demo's recipe, against the same step written down plainly.

    python -m benchmarks.tiny_step

Networks this small are bound by elementwise work, by small products and by the calls themselves. The plain side is
benchmarks/plain.py: explicit softmax attention, the context repeated for each block, AdamW and EMA parameter by
parameter. Both make the same step from the same weights and masks: loss and gradients are compared before the clock
starts. The goal is a ratio of 1.3.
"""

import argparse
import os
import statistics
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.plain import PlainIJEPA
from benchmarks.record import control_holds, interleave, ratio, record
from benchmarks.steps import StepOnce, jepakit_step, largest_difference, noise, plain_step
from jepakit.family.ijepa import IJEPA
from jepakit.recipes.images import fashion

GOAL, TOLERANCE, STEPS = 1.3, 1e-4, 10
"""STEPS in a round: masks, and with them the work, differ from step to step, alike on all sides."""


def measure(sizes: IJEPA, batch: int, rounds: int, threads: int) -> dict[str, Any]:
    """Milliseconds a step of each side, ratios and the control, at so many threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    method, x = sizes.build(), noise(sizes, batch)
    plain, sdpa = PlainIJEPA(sizes, method), PlainIJEPA(sizes, method, sdpa=True)
    difference = largest_difference(method, plain, x)
    if difference > TOLERANCE:
        raise AssertionError(f"the two steps differ by {difference:.1e}: their times cannot be compared")
    sides = {
        "plain": plain_step(plain),
        "plain with SDPA": plain_step(sdpa),
        "jepakit": jepakit_step(method),
        "jepakit again": jepakit_step(sizes.build()),
    }
    seconds = interleave({name: repeated(step, x) for name, step in sides.items()}, rounds, warmup=3)
    control = ratio(seconds["jepakit again"], seconds["jepakit"])
    return {
        "threads": threads,
        "milliseconds": {name: 1e3 * statistics.median(times) / STEPS for name, times in seconds.items()},
        "ratio": ratio(seconds["plain"], seconds["jepakit"]),
        "ratio_of_sdpa": ratio(seconds["plain"], seconds["plain with SDPA"]),
        "control": control,
        "valid": control_holds(control),
        "difference": difference,
    }


def repeated(step: StepOnce, x: Tensor) -> Callable[[], None]:
    """One round."""

    def several() -> None:
        for _ in range(STEPS):
            step(x)

    return several


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/tiny_step.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41, help="how often each side runs")
    parser.add_argument("--batch", type=int, default=fashion().batch)
    arguments = parser.parse_args()
    sizes, cores = fashion().model, len(os.sched_getaffinity(0))
    assert isinstance(sizes, IJEPA)
    rows = [measure(sizes, arguments.batch, arguments.rounds, threads) for threads in sorted({1, min(2, cores)})]
    show(rows, arguments.batch)
    claims = {
        name: {**row["ratio"], "unit": "times"}
        for name, row in zip(("speed.tiny_step.ratio_one_thread", "speed.tiny_step.ratio"), rows, strict=False)
        if row["valid"]
    }
    print(f"written to {record('tiny_step', {'claims': claims, 'goal': GOAL, 'batch': arguments.batch, 'rows': rows})}")


def show(rows: list[dict[str, Any]], batch: int) -> None:
    """Prints the table."""
    table = Table(title=f"One step of the demo's recipe, batch {batch}")
    for column in ("threads", "plain, ms", "plain with SDPA, ms", "jepakit, ms", "plain / jepakit", "control"):
        table.add_column(column, justify="right")
    for row in rows:
        times, speedup = row["milliseconds"], row["ratio"]
        table.add_row(
            str(row["threads"]),
            *(f"{times[side]:.1f}" for side in ("plain", "plain with SDPA", "jepakit")),
            f"{speedup['value']:.2f} ({speedup['low']:.2f} to {speedup['high']:.2f})",
            f"{row['control']['value']:.3f}" + ("" if row["valid"] else ": too busy a machine"),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
