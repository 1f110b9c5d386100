"""What the benchmarks of encoders share: jepakit against transformers at equal weights and inputs, and the table."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.record import control_holds, interleave, ratio

Encode = Callable[[], Tensor]


def compare(
    theirs: Encode, ours: Encode, tolerance: float, rounds: int, beside: Mapping[str, Encode]
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Milliseconds of both, ratio, control and how near the outputs are; and the seconds of all sides in each round.

    Sides `beside` run in the same rounds. Raises AssertionError if the two differ: there is nothing to time then.
    """
    sides = {"transformers": theirs, "jepakit": ours, "jepakit again": ours, **beside}
    with torch.inference_mode():
        difference = (ours() - theirs()).abs().max().item()
        if difference > tolerance:
            raise AssertionError(f"outputs differ by {difference:.1e}: nothing to time")
        seconds = interleave(sides, rounds, warmup=2)
    control = ratio(seconds["jepakit again"], seconds["jepakit"])
    found = {
        "milliseconds": {name: 1e3 * statistics.median(times) for name, times in seconds.items()},
        "ratio": ratio(seconds["transformers"], seconds["jepakit"]),
        "difference": difference,
        "control": control,
        "valid": control_holds(control),
    }
    return found, seconds


def show(title: str, found: Mapping[str, Any], beside: Sequence[Sequence[str]] = ()) -> None:
    """Prints the table, with rows `beside` below."""
    table = Table(title=title)
    for column in ("side", "ms", "times as fast", "agreement"):
        table.add_column(column)
    times = found["milliseconds"]
    table.add_row("transformers, SDPA", f"{times['transformers']:.0f}", "", "")
    faster = f"{interval(found['ratio'])} as transformers"
    table.add_row("jepakit", f"{times['jepakit']:.0f}", faster, f"within {found['difference']:.0e}")
    for row in beside:
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(f"control: {found['control']['value']:.3f}" + ("" if found["valid"] else ", too busy"))


def interval(quotient: Mapping[str, float]) -> str:
    """A ratio as people read it."""
    return f"{quotient['value']:.2f} ({quotient['low']:.2f} to {quotient['high']:.2f})"
