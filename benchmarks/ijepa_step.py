"""What share of the processor's peak a training step of I-JEPA ViT-S/16 reaches, and where the rest goes.

    python -m benchmarks.ijepa_step

One thread, 224 pixels, batch 8. Work is counted by hand (`MaskedJEPA.flops`: linear layers and attention, forward once
and backward twice, nothing recomputed, without the input gradient of the first layer, which nobody computes). The peak
is that of a product of two 2048 x 2048 matrices in float32, measured in the same rounds, by `torch.mm` and by oneDNN:
the claim is made against `torch.mm`, and the share of the faster of the two stands beside it. The goal is 0.75.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.record import control_holds, interleave, ratio, record
from benchmarks.steps import LONG, StepOnce, jepakit_step, pictures
from jepakit.contracts import Rows, step_at
from jepakit.family.ijepa import VIT_S16
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.nn.linear import linear

BATCH, SIDE, GOAL = 8, 2048, 0.75
PRODUCTS = 8
"""Products in a round, so that a round of the peak lasts long enough to be timed."""


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/ijepa_step.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    method, x = VIT_S16.build(), pictures(VIT_S16, BATCH)
    gflop = mean_gflop(method, x, arguments.rounds)
    left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    with torch.no_grad():
        seconds = interleave(
            {
                "step": with_gradients(jepakit_step(method), x),
                "step again": with_gradients(jepakit_step(VIT_S16.build()), x),
                "torch.mm": lambda: [left @ right for _ in range(PRODUCTS)],
                "oneDNN": lambda: [linear(left, right) for _ in range(PRODUCTS)],
            },
            arguments.rounds,
        )
    rows = shares(seconds, gflop)
    spent = where_time_goes(jepakit_step(method), x)
    show(rows, spent, gflop)
    claim = {**rows["torch.mm"]["share"], "unit": "share of the sgemm rate"}
    valid = control_holds(rows["control"])
    payload = {"goal": GOAL, "batch": BATCH, "gflop": gflop, "valid": valid, "rows": rows, "profile": spent}
    beside = {**rows["oneDNN"]["share"], "unit": "share of oneDNN's sgemm rate"}
    claims = {"speed.ijepa_step.share_of_peak": claim, "speed.ijepa_step.share_of_onednn": beside} if valid else {}
    print(f"written to {record('ijepa_step', {'claims': claims, **payload})}")


def mean_gflop(method: MaskedJEPA, x: Tensor, steps: int) -> float:
    """Work of a step, in 10^9 operations: the mean over the masks of the first steps."""
    with torch.no_grad():
        answers = method.target(x, method.backbone)
    unused = method.backbone.tokenizer.flops(1)
    total = 0
    for index in range(steps):
        (split,) = method._ask(answers, step_at(index, LONG, Rows(0, len(x), len(x))).shared, Rows(0, len(x), len(x)))
        total += len(x) * (method.flops(answers.values.shape[1], [split]) - unused * split.context.shape[1])
    return total / steps / 1e9


def with_gradients(step: StepOnce, x: Tensor) -> Callable[[], None]:
    """The step with gradients on; the peak is measured without."""

    def learn() -> None:
        with torch.enable_grad():
            step(x)

    return learn


def shares(seconds: dict[str, list[float]], gflop: float) -> dict[str, Any]:
    """Rates of the step and of the two products, and the share of each that the step reaches."""
    of_product = 2 * SIDE**3 * PRODUCTS / 1e9
    rows: dict[str, Any] = {"control": ratio(seconds["step again"], seconds["step"])}
    rows["step"] = {"gflops": gflop / statistics.median(seconds["step"])}
    for name in ("torch.mm", "oneDNN"):
        faster = ratio(seconds[name], seconds["step"])
        scale = gflop / of_product
        share = {key: faster[key] if key == "n" else scale * faster[key] for key in faster}
        rows[name] = {"gflops": of_product / statistics.median(seconds[name]), "share": share}
    return rows


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
    for name in ("torch.mm", "oneDNN"):
        share = rows[name]["share"]
        found = f"{share['value']:.2f} ({share['low']:.2f} to {share['high']:.2f})"
        table.add_row(f"{SIDE} cubed by {name}", f"{rows[name]['gflops']:.0f}", found)
    console = Console()
    console.print(table)
    console.print(f"control: {rows['control']['value']:.3f}" + ("" if control_holds(rows["control"]) else ", too busy"))
    console.print("time: " + ", ".join(f"{name} {share:.0%}" for name, share in spent.items()))


if __name__ == "__main__":
    main()
