"""Encoding pictures with ViT-B/16: jepakit against transformers.IJepaModel, and in 8-bit integers.

    python -m benchmarks.encoder

Both hold the same random weights (jepakit loads the folder that transformers saved) and see the same batch, in eval
and inference mode, on one thread; transformers attends with SDPA. The goals: 1.05 times as fast as transformers with
outputs within 1e-4; in integers 1.5 times as fast as jepakit in float32, every token's cosine to it at least 0.999.
"""

import argparse
import tempfile
from typing import Any

import torch
from transformers import IJepaConfig, IJepaModel

from benchmarks.inference import compare, interval, show
from benchmarks.record import ratio, record
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
        ours = load(folder)
    assert isinstance(ours, Backbone), "transformers' model is one of patches"
    return theirs, ours


def measure(rounds: int) -> dict[str, Any]:
    """Milliseconds a batch, ratios and how near the outputs are."""
    theirs, ours = networks()
    smaller = quantize(ours)
    x = torch.randn(BATCH, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        cosine = torch.cosine_similarity(smaller(x).values, ours(x).values, dim=-1).min().item()
    if cosine < LEAST_COSINE:
        raise AssertionError(f"in integers the cosine is {cosine:.5f}: nothing to time")
    found, seconds = compare(
        lambda: theirs(x).last_hidden_state,
        lambda: ours(x).values,
        TOLERANCE,
        rounds,
        {"jepakit, int8": lambda: smaller(x).values},
    )
    return {**found, "ratio_int8": ratio(seconds["jepakit"], seconds["jepakit, int8"]), "cosine_int8": cosine}


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/encoder.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(arguments.rounds)
    milliseconds = f"{found['milliseconds']['jepakit, int8']:.0f}"
    smaller = f"{interval(found['ratio_int8'])} as in float32", f"cosine {found['cosine_int8']:.5f}"
    show(f"ViT-B/16, {BATCH} pictures of 224 pixels, one thread", found, [("jepakit, int8", milliseconds, *smaller)])
    claims = {
        "speed.encoder_vs_hf.ratio": {**found["ratio"], "unit": "times"},
        "speed.int8.ratio": {**found["ratio_int8"], "unit": "times", "cosine": found["cosine_int8"]},
    }
    goals = {"goal": GOAL, "goal_int8": GOAL_INT8, "batch": BATCH}
    print(f"written to {record('encoder', {'claims': claims if found['valid'] else {}, **goals, **found})}")


if __name__ == "__main__":
    main()
