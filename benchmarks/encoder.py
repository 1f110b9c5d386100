"""Encoding pictures with ViT-B/16: jepakit against transformers.IJepaModel, and in 8-bit integers.

    python -m benchmarks.encoder

Both hold the same random weights (jepakit loads the folder that transformers saved) and see the same batch, in eval
and inference mode, on one thread; transformers attends with SDPA. The goals: 1.05 times as fast as transformers with
outputs within 1e-4; in integers 1.5 times as fast as jepakit in float32, every token's cosine to it at least 0.999.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import IJepaConfig, IJepaModel

from benchmarks.record import control_holds, interleave, ratio, record
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.quantize import quantize
from jepakit.pretrained import load

BATCH, GOAL, GOAL_INT8, TOLERANCE, LEAST_COSINE = 4, 1.05, 1.5, 1e-4, 0.999
SIZES = IJepaConfig(
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=3072,
    image_size=224,
    patch_size=16,
    layer_norm_eps=1e-6,
    attn_implementation="sdpa",  # pyright: ignore[reportCallIssue]  (taken by the base class of all configs)
)


def networks() -> tuple[IJepaModel, Backbone]:
    """transformers' model, and ours with its weights."""
    torch.manual_seed(0)
    theirs = IJepaModel(SIZES).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        return theirs, load(folder)


def measure(rounds: int) -> dict[str, Any]:
    """Milliseconds a batch, ratios and how near the outputs are."""
    theirs, ours = networks()
    smaller = quantize(ours)
    x = torch.randn(BATCH, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    sides: dict[str, Callable[[], Tensor]] = {
        "transformers": lambda: theirs(x).last_hidden_state,
        "jepakit": lambda: ours(x).values,
        "jepakit again": lambda: ours(x).values,
        "jepakit, int8": lambda: smaller(x).values,
    }
    with torch.inference_mode():
        difference = (sides["jepakit"]() - sides["transformers"]()).abs().max().item()
        cosine = torch.cosine_similarity(sides["jepakit, int8"](), sides["jepakit"](), dim=-1).min().item()
        if difference > TOLERANCE or cosine < LEAST_COSINE:
            raise AssertionError(
                f"outputs differ by {difference:.1e}, in integers cosine {cosine:.5f}: nothing to time"
            )
        seconds = interleave(sides, rounds, warmup=2)
    control = ratio(seconds["jepakit again"], seconds["jepakit"])
    return {
        "milliseconds": {name: 1e3 * statistics.median(times) for name, times in seconds.items()},
        "ratio": ratio(seconds["transformers"], seconds["jepakit"]),
        "ratio_int8": ratio(seconds["jepakit"], seconds["jepakit, int8"]),
        "difference": difference,
        "cosine_int8": cosine,
        "control": control,
        "valid": control_holds(control),
    }


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/encoder.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(arguments.rounds)
    show(found)
    claims = {
        "speed.encoder_vs_hf.ratio": {**found["ratio"], "unit": "times"},
        "speed.int8.ratio": {**found["ratio_int8"], "unit": "times", "cosine": found["cosine_int8"]},
    }
    goals = {"goal": GOAL, "goal_int8": GOAL_INT8, "batch": BATCH}
    print(f"written to {record('encoder', {'claims': claims if found['valid'] else {}, **goals, **found})}")


def show(found: dict[str, Any]) -> None:
    """Prints the table."""
    table = Table(title=f"ViT-B/16, {BATCH} pictures of 224 pixels, one thread")
    for column in ("side", "ms", "times as fast", "agreement"):
        table.add_column(column)
    times, faster, smaller = found["milliseconds"], found["ratio"], found["ratio_int8"]
    table.add_row("transformers, SDPA", f"{times['transformers']:.0f}", "", "")
    interval = f"{faster['value']:.2f} ({faster['low']:.2f} to {faster['high']:.2f}) as transformers"
    table.add_row("jepakit", f"{times['jepakit']:.0f}", interval, f"within {found['difference']:.0e}")
    interval = f"{smaller['value']:.2f} ({smaller['low']:.2f} to {smaller['high']:.2f}) as in float32"
    table.add_row("jepakit, int8", f"{times['jepakit, int8']:.0f}", interval, f"cosine {found['cosine_int8']:.5f}")
    console = Console()
    console.print(table)
    console.print(f"control: {found['control']['value']:.3f}" + ("" if found["valid"] else ", too busy"))


if __name__ == "__main__":
    main()
