"""How much a training step on one clip of 64 frames grows the memory of its process, and what recomputing saves of it.

    python -m benchmarks.clip_memory

V-JEPA 2 ViT-S/16 on 64 frames of 128 pixels (2,048 tokens), as in `benchmarks.memory`: each measurement is a process of
its own. One side keeps what each block computed for the backward pass, the other computes it again
(`checkpoint_activations` of a run). Linux only.
"""

import statistics
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from benchmarks.memory import growth, in_processes
from benchmarks.record import control_holds, ratio, record
from benchmarks.steps import jepakit_step, noise
from benchmarks.vjepa2_step import SIZES
from jepakit.train.parallel import prepare_blocks

LONG_CLIP = replace(SIZES, frames=64)
SIDES = ("kept", "recomputed", "recomputed again")


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/clip_memory.json."""
    found = in_processes("benchmarks.clip_memory", SIDES, measure, __doc__)
    if found is None:
        return
    control = ratio(found["recomputed again"], found["recomputed"])
    valid = control_holds(control)
    show(found, control, valid)
    claims = {f"memory.clip_of_64.{side}": spread(found[side]) for side in SIDES[:2]} if valid else {}
    payload = {"claims": claims, "megabytes": found, "control": control, "valid": valid}
    print(f"written to {record('clip_memory', payload)}")


def measure(side: str) -> float:
    """The growth during a step of one side, in this process."""
    method = LONG_CLIP.build()
    prepare_blocks(method, checkpoint_activations=side != "kept", compile=False)
    return growth(jepakit_step(method), noise(LONG_CLIP, 1))


def spread(megabytes: list[float]) -> dict[str, float | str]:
    """Median, least and most: processes are too few for percentiles."""
    bounds = {"low": min(megabytes), "high": max(megabytes), "n": len(megabytes)}
    return {"value": statistics.median(megabytes), **bounds, "unit": "MB"}


def show(found: dict[str, list[float]], control: dict[str, float], valid: bool) -> None:
    """Prints the table."""
    table = Table(title="Growth of memory in a step, V-JEPA 2 ViT-S/16, one clip of 64 frames")
    for column in ("what blocks computed is", "MB, median", "least to most"):
        table.add_column(column)
    for side in SIDES[:2]:
        extremes = f"{min(found[side]):.0f} to {max(found[side]):.0f}"
        table.add_row(side, f"{statistics.median(found[side]):.0f}", extremes)
    console = Console()
    console.print(table)
    console.print(f"control: {control['value']:.3f}" + ("" if valid else ", too busy"))


if __name__ == "__main__":
    main()
