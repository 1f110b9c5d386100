"""How much a training step of I-JEPA ViT-S/16 grows the memory of its process, against the plain step.

    python -m benchmarks.memory

Each measurement is a process of its own: it makes a small step first, so that optimizer and libraries have what they
keep, gives freed memory back to the system, and reads its resident memory before and its peak after one step of the
batch. The plain side is benchmarks/plain.py with explicit softmax attention; neither recomputes activations. The goal
is to grow by 18 % less. Linux only: the peak is read from /proc.
"""

import argparse
import ctypes
import gc
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.plain import PlainIJEPA
from benchmarks.record import ROOT, control_holds, ratio, record
from benchmarks.steps import StepOnce, jepakit_step, noise, plain_step
from jepakit.family.ijepa import VIT_S16

BATCH, GOAL = 8, 0.18
SIDES = ("plain", "jepakit", "jepakit again")


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/memory.json."""
    found = in_processes("benchmarks.memory", SIDES, lambda side: growth(make(side), noise(VIT_S16, BATCH)), __doc__)
    if found is None:
        return
    quotient, control = ratio(found["jepakit"], found["plain"]), ratio(found["jepakit again"], found["jepakit"])
    saving = {"value": 1 - quotient["value"], "low": 1 - quotient["high"], "high": 1 - quotient["low"]}
    claim = {**saving, "n": quotient["n"], "unit": "share of the growth"}
    show(found, saving, control)
    valid = control_holds(control)
    payload = {"goal": GOAL, "batch": BATCH, "megabytes": found, "control": control, "valid": valid}
    claims = {"memory.ijepa_step.saving": claim} if valid else {}
    print(f"written to {record('memory', {'claims': claims, **payload})}")


def in_processes(
    module: str, sides: Sequence[str], measure: Callable[[str], float], about: str | None
) -> dict[str, list[float]] | None:
    """The growth of each side, in rounds of fresh processes, as the command line of `module` says.

    Such a process is called with `--side`: it measures here, prints what it found, and gives None.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="processes of each side")
    parser.add_argument("--side", choices=sides, help="measure one side in this process and print it")
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure(arguments.side)))
        return None
    found: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(arguments.rounds):
        for side in sides:
            found[side].append(in_a_process(module, side))
    return found


def in_a_process(module: str, side: str) -> float:
    """The growth that a fresh process measures: `python -m MODULE --side SIDE` prints it."""
    command = [sys.executable, "-m", module, "--side", side]
    return float(json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout))


def growth(step: StepOnce, x: Tensor) -> float:
    """Megabytes by which the peak of resident memory during a step lies above resident memory before it.

    A step of two samples runs first: a loss of several has none of one.
    """
    torch.set_num_threads(1)
    step(x[:2])
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    step(x)
    return resident("VmHWM") - before


def make(side: str) -> StepOnce:
    """The step of one side."""
    torch.manual_seed(0)
    method = VIT_S16.build()
    return plain_step(PlainIJEPA(VIT_S16, method)) if side == "plain" else jepakit_step(method)


def resident(name: str) -> float:
    """A line of /proc/self/status, in megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {name}: memory is measured on Linux only")


def show(found: dict[str, list[float]], saving: dict[str, float], control: dict[str, float]) -> None:
    """Prints the table."""
    table = Table(title=f"Growth of memory in a step, I-JEPA ViT-S/16, batch {BATCH}")
    for column in ("side", "MB, median", "saved", "5 % to 95 %"):
        table.add_column(column)
    for side in SIDES[:2]:
        row = (f"{saving['value']:.1%}", f"{saving['low']:.1%} to {saving['high']:.1%}") if side == "jepakit" else ()
        table.add_row(side, f"{statistics.median(found[side]):.0f}", *row)
    console = Console()
    console.print(table)
    console.print(f"control (jepakit again / jepakit): {control['value']:.3f}")


if __name__ == "__main__":
    main()
