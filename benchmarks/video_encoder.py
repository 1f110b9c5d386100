"""Encoding clips with V-JEPA 2 ViT-B/16: jepakit against transformers.VJEPA2Model.

    python -m benchmarks.video_encoder

Both hold the same random weights, with the rotary positions of the released code, and see the same clips of 16 frames
of 128 pixels (512 tokens), in eval and inference mode, on one thread; transformers attends with SDPA. The goal is 1.05
times as fast with outputs within 1e-4.
"""

import argparse
from typing import Any

import torch
from transformers import VJEPA2Config, VJEPA2Model

from benchmarks.inference import compare, show
from benchmarks.record import record
from jepakit.family.vjepa2 import VJEPA2
from jepakit.parts.nn.backbone import Backbone
from jepakit.pretrained.networks import fill
from jepakit.weights.vjepa import hugging_face_map

BATCH, SIZE, FRAMES, GOAL, TOLERANCE = 1, 128, 16, 1.05, 1e-4
OURS = VJEPA2(
    frames=FRAMES, image=(SIZE, SIZE), dim=768, depth=12, heads=12, predictor_depth=1, positions="released"
)  # fmt: skip
THEIRS = VJEPA2Config(
    crop_size=SIZE,
    frames_per_clip=FRAMES,
    hidden_size=OURS.dim,
    num_attention_heads=OURS.heads,
    num_hidden_layers=OURS.depth,
    pred_num_hidden_layers=OURS.predictor_depth,
    layer_norm_eps=OURS.eps,
    attn_implementation="sdpa",  # pyright: ignore[reportCallIssue]  (taken by the base class of all configs)
)


def networks() -> tuple[VJEPA2Model, Backbone]:
    """transformers' model, and ours with its weights."""
    torch.manual_seed(0)
    theirs = VJEPA2Model(THEIRS).eval()
    encoder, _ = hugging_face_map(OURS.depth, OURS.predictor_depth, (OURS.tubelet, OURS.patch, OURS.patch))
    state = {name: tensor for name, tensor in theirs.state_dict().items() if name.startswith("encoder.")}
    ours = OURS.build().backbone.eval()
    fill(ours, encoder.read(state, "transformers' model"), "transformers' model")
    return theirs, ours


def measure(rounds: int) -> dict[str, Any]:
    """Milliseconds a batch, the ratio and how near the outputs are."""
    theirs, ours = networks()
    x = torch.randn(BATCH, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    frames_first = x.transpose(1, 2).contiguous()
    found, _ = compare(
        lambda: theirs(frames_first, skip_predictor=True).last_hidden_state,
        lambda: ours(x).values,
        TOLERANCE,
        rounds,
        {},
    )
    return found


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/video_encoder.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(arguments.rounds)
    show(f"V-JEPA 2 ViT-B/16, {BATCH} clip of {FRAMES} frames of {SIZE} pixels, one thread", found)
    claims = {"speed.video_encoder_vs_hf.ratio": {**found["ratio"], "unit": "times"}} if found["valid"] else {}
    print(f"written to {record('video_encoder', {'claims': claims, 'goal': GOAL, 'batch': BATCH, **found})}")


if __name__ == "__main__":
    main()
