"""A run in words and numbers, before it is started."""

import json
import math
from typing import Any

import torch

from jepakit.app.report.wording import scaled, title_of
from jepakit.contracts import Rows
from jepakit.parts.nn.position import grid
from jepakit.train.run import Run

DRAWS = 8
"""Batches of masks over which the cost of a step is averaged."""


def describe(run: Run) -> str:
    """Parameters per part, FLOP, the schedules at their ends, what the alarm listens to, and the whole run as JSON."""
    run.validate()
    with torch.device("meta"):
        method = run.model.build()
    lines = [f"{title_of(run.model)}: {run.steps:,} steps of {run.batch:,} samples", "", "parameters (that learn)"]
    for name, part in method.named_children():
        total = sum(parameter.numel() for parameter in part.parameters())
        learning = sum(parameter.numel() for parameter in part.parameters() if parameter.requires_grad)
        lines.append(f"  {name:12} {total:>15,} {learning:>15,}")
    if (flops := flops_of_a_step(run, method)) is not None:
        whole = scaled(flops * run.steps, "FLOP")
        lines += ["", f"compute: {scaled(flops, 'FLOP')} a step, {whole} in all, averaged over the masks"]
    rate, decay = run.optimizer.rates(), run.optimizer.decays()
    middle, watch = run.optimizer.warmup, run.watch
    lines += [
        "",
        f"learning rate {rate(0):.3g} -> {rate(middle):.3g} (at {middle:.0%}) -> {rate(1):.3g}; "
        f"weight decay {decay(0):.3g} -> {decay(1):.3g}",
        "collapse watch: off"
        if watch.action == "off"
        else f"collapse watch: {watch.action} when RankMe is below {watch.share:g} of its highest reading or below "
        f"{watch.floor:g}, or less than {watch.spread:g} differs between samples, of features or of embeddings, in "
        f"{watch.readings} readings in a row (every {watch.every} steps, after warmup)",
        "",
        json.dumps(run.to_json(), indent=1),
    ]
    return "\n".join(lines)


def flops_of_a_step(run: Run, method: Any) -> float | None:
    """Operations of a training step, on average over drawn masks; None for a method that asks about no grid."""
    extent = getattr(run.model, "extent", None)
    if extent is None or not hasattr(method, "maskers"):
        return None
    coords, rows, total = grid(extent).expand(run.batch, -1, -1), Rows(0, run.batch, run.batch), 0
    for seed in range(DRAWS):
        generator = torch.Generator().manual_seed(seed)
        splits = [masker(coords, extent, generator, rows) for masker in method.maskers]
        total += method.flops(math.prod(extent), splits)
    return run.batch * total / DRAWS
