"""A run in words and numbers, before it is started."""

import json

import torch

from jepakit.train.run import Run


def describe(run: Run) -> str:
    """Parameters per part, the schedules at their ends, what the alarm listens to, and the whole run as JSON."""
    run.validate()
    with torch.device("meta"):
        method = run.model.build()
    lines = [f"{type(run.model).__name__}: {run.steps:,} steps of {run.batch:,} samples", "", "parameters (that learn)"]
    for name, part in method.named_children():
        total = sum(parameter.numel() for parameter in part.parameters())
        learning = sum(parameter.numel() for parameter in part.parameters() if parameter.requires_grad)
        lines.append(f"  {name:12} {total:>15,} {learning:>15,}")
    rate, decay = run.optimizer.rates(), run.optimizer.decays()
    middle, watch = run.optimizer.warmup, run.watch
    lines += [
        "",
        f"learning rate {rate(0):.3g} -> {rate(middle):.3g} (at {middle:.0%}) -> {rate(1):.3g}; "
        f"weight decay {decay(0):.3g} -> {decay(1):.3g}",
        "collapse watch: off"
        if watch.action == "off"
        else f"collapse watch: {watch.action} when RankMe is below {watch.share:g} of its highest reading or below "
        f"{watch.floor:g} in {watch.readings} readings in a row (every {watch.every} steps, after warmup)",
        "",
        json.dumps(run.to_json(), indent=1),
    ]
    return "\n".join(lines)
