"""What share of the processor's peak a training step of I-JEPA ViT-S/16 reaches, and where the rest goes.

    python -m benchmarks.ijepa_step

One thread, 224 pixels, batch 8; `benchmarks.peak` says how work and peak are counted. The claim is made against
`torch.mm`, and the share of oneDNN's rate stands beside it. The goal is 0.75.
"""

import argparse
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.peak import LIBRARIES, SIDE, mean_gflop, products, shares, with_gradients
from benchmarks.record import control_holds, interleave, ratio, record
from benchmarks.steps import StepOnce, jepakit_step, noise
from jepakit.family.ijepa import VIT_S16

BATCH, GOAL = 8, 0.75


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/ijepa_step.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    method, x = VIT_S16.build(), noise(VIT_S16, BATCH)
    gflop = mean_gflop(method, x, arguments.rounds)
    with torch.no_grad():
        seconds = interleave(
            {
                "step": with_gradients(jepakit_step(method), x),
                "step again": with_gradients(jepakit_step(VIT_S16.build()), x),
                **products(),
            },
            arguments.rounds,
        )
    rows = {"control": ratio(seconds["step again"], seconds["step"]), **shares(seconds, "step", gflop)}
    spent = where_time_goes(jepakit_step(method), x)
    show(rows, spent, gflop)
    claim = {**rows["torch.mm"]["share"], "unit": "share of the sgemm rate"}
    valid = control_holds(rows["control"])
    payload = {"goal": GOAL, "batch": BATCH, "gflop": gflop, "valid": valid, "rows": rows, "profile": spent}
    beside = {**rows["oneDNN"]["share"], "unit": "share of oneDNN's sgemm rate"}
    claims = {"speed.ijepa_step.share_of_peak": claim, "speed.ijepa_step.share_of_onednn": beside} if valid else {}
    print(f"written to {record('ijepa_step', {'claims': claims, **payload})}")


def where_time_goes(step: StepOnce, x: Tensor, kinds: int = 8) -> dict[str, float]:
    """The share of a step's time that the most costly kinds of operation take by themselves."""
    step(x)
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        step(x)
    events = sorted(watched.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return {event.key: event.self_cpu_time_total / total for event in events[:kinds]}


def show(rows: dict[str, Any], spent: dict[str, float], gflop: float) -> None:
    """Prints the table and the profile."""
    table = Table(title=f"I-JEPA ViT-S/16, batch {BATCH}, one thread: {gflop:.0f} GFLOP a step")
    for column in ("", "GFLOP/s", "share of it that the step reaches"):
        table.add_column(column)
    table.add_row("the step", f"{rows['step']['gflops']:.0f}", "")
    for name in LIBRARIES:
        share = rows[name]["share"]
        found = f"{share['value']:.2f} ({share['low']:.2f} to {share['high']:.2f})"
        table.add_row(f"{SIDE} cubed by {name}", f"{rows[name]['gflops']:.0f}", found)
    console = Console()
    console.print(table)
    console.print(f"control: {rows['control']['value']:.3f}" + ("" if control_holds(rows["control"]) else ", too busy"))
    console.print("time: " + ", ".join(f"{name} {share:.0%}" for name, share in spent.items()))


if __name__ == "__main__":
    main()
