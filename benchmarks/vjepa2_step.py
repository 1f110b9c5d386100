"""A training step of V-JEPA 2 against the same step written down plainly, and its share of the processor's peak.

    python -m benchmarks.vjepa2_step

ViT-S/16 on 4 clips of 16 frames of 128 pixels (512 tokens), one thread. The plain side is benchmarks/plain_video.py: it
computes the rotary tables anew in every block and draws masks for one clip after the other; attention is SDPA on both
sides. Both start from the same weights, and with the same masks their loss and gradients are compared before the clock
starts. The goal is a ratio of 1.10. What the step reaches of the rate of the matrix product stands beside it, counted
and measured as `benchmarks.peak` says.
"""

import argparse
import statistics
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.peak import LIBRARIES, mean_gflop, products, shares, with_gradients
from benchmarks.plain_video import PlainVJEPA2
from benchmarks.record import control_holds, interleave, ratio, record
from benchmarks.steps import jepakit_step, largest_difference, noise, plain_step
from jepakit.family.vjepa2 import VJEPA2

SIZES = VJEPA2(
    image=(128, 128), dim=384, depth=12, heads=6, predictor_dim=192, predictor_depth=6, predictor_heads=6,
    initialization="fan_in",
)  # fmt: skip
BATCH, GOAL, TOLERANCE = 4, 1.10, 1e-3


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/vjepa2_step.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(SIZES, BATCH, arguments.rounds)
    show(found)
    claims = {
        "speed.vjepa2_step.ratio": {**found["ratio"], "unit": "times"},
        "speed.vjepa2_step.share_of_peak": {**found["torch.mm"]["share"], "unit": "share of the sgemm rate"},
        "speed.vjepa2_step.share_of_onednn": {**found["oneDNN"]["share"], "unit": "share of oneDNN's sgemm rate"},
    }
    payload = {"claims": claims if found["valid"] else {}, "goal": GOAL, "batch": BATCH, **found}
    print(f"written to {record('vjepa2_step', payload)}")


def measure(sizes: VJEPA2, batch: int, rounds: int) -> dict[str, Any]:
    """Milliseconds a step of each side, ratio, control, work, and shares of the peak. Raises AssertionError if the two
    steps differ."""
    torch.manual_seed(0)
    method, x = sizes.build(), noise(sizes, batch)
    plain = PlainVJEPA2(sizes, method)
    difference = largest_difference(method, plain, x)
    if difference > TOLERANCE:
        raise AssertionError(f"the two steps differ by {difference:.1e}: their times cannot be compared")
    gflop = mean_gflop(method, x, rounds)
    sides = {
        "plain": with_gradients(plain_step(plain), x),
        "jepakit": with_gradients(jepakit_step(method), x),
        "jepakit again": with_gradients(jepakit_step(sizes.build()), x),
        **products(),
    }
    with torch.no_grad():
        seconds = interleave(sides, rounds)
    control = ratio(seconds["jepakit again"], seconds["jepakit"])
    return {
        "milliseconds": {name: 1e3 * statistics.median(times) for name, times in seconds.items()},
        "ratio": ratio(seconds["plain"], seconds["jepakit"]),
        "difference": difference,
        "control": control,
        "valid": control_holds(control),
        "gflop": gflop,
        **shares(seconds, "jepakit", gflop),
    }


def show(found: dict[str, Any]) -> None:
    """Prints the table."""
    table = Table(title=f"V-JEPA 2 ViT-S/16, {BATCH} clips, one thread: {found['gflop']:.0f} GFLOP a step")
    for column in ("side", "ms", "plain / jepakit"):
        table.add_column(column)
    times, faster = found["milliseconds"], found["ratio"]
    table.add_row("plain", f"{times['plain']:.0f}", "")
    interval = f"{faster['value']:.2f} ({faster['low']:.2f} to {faster['high']:.2f})"
    table.add_row("jepakit", f"{times['jepakit']:.0f}", interval)
    console = Console()
    console.print(table)
    for name in LIBRARIES:
        reached = found[name]["share"]["value"]
        console.print(f"share of {found[name]['gflops']:.0f} GFLOP/s by {name}: {reached:.2f}")
    console.print(f"control: {found['control']['value']:.3f}" + ("" if found["valid"] else ", too busy"))


if __name__ == "__main__":
    main()
