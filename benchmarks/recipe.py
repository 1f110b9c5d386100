"""What a raw file of learning was learnt with, so that seeds of two recipes are never taken for seeds of one.

A run also says how it is carried out, watched and kept, which changes with the engine and does not change what is
learnt; only what decides that is compared.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jepakit.train.run import Run

TRAINED_BY = (
    "model", "data", "steps", "stages", "batch", "accumulate", "optimizer", "clip", "skip_spikes", "precision",
    "start_from",
)  # fmt: skip
"""Fields of a run that decide what is learnt."""
SEEN_BY = ("model", "data")
"""Those that decide what a network says that was never trained."""
TRAINING_OF_MODEL = (
    "momentum", "target_scale", "normalize_pixels", "sigreg", "sigreg_on", "sigreg_over", "masks", "blocks",
    "block_aspect", "rectangular", "shown",
)  # fmt: skip
"""Fields of a model that only a training reads: what is hidden, and what is asked about it."""


def recipe_of(raw: Mapping[str, Any]) -> str:
    """What the seeds of a claim have in common, as one text: what the run did, and the mark that was asked for."""
    mark = raw.get("mark")
    return json.dumps([_decisive(raw["run"], raw["seed"], _was_trained(raw)), mark], sort_keys=True)


def is_stale(raw: Mapping[str, Any], run: Run) -> bool:
    """Whether a raw file was measured with another recipe than `run`, which the code has now."""
    return recipe_of(raw) != recipe_of({**raw, "run": run.to_json()})


def holds_other(out: Path, run: Run) -> bool:
    """Whether a folder holds a training by another recipe or seed, which `run` must not go on with."""
    path = out / "run.json"
    if not path.exists():
        return False
    there = json.loads(path.read_text())["run"]
    seeds = there["seed"] != run.seed
    return seeds or _decisive(there, run.seed, True) != _decisive(run.to_json(), run.seed, True)


def _was_trained(raw: Mapping[str, Any]) -> bool:
    """Baselines cost no training; comparisons of trainings count none of their own, but have a mark."""
    return raw["flops"] != 0 or "mark" in raw


def _decisive(written: Mapping[str, Any], seed: int, trained: bool) -> dict[str, Any]:
    """The fields of a run that count, with the defaults of fields that came later, and without its seed."""
    run = _with_defaults(written)
    found = {name: run[name] for name in (TRAINED_BY if trained else SEEN_BY) if name in run}
    if not trained:
        found["model"] = {name: value for name, value in found["model"].items() if name not in TRAINING_OF_MODEL}
    return _without_seed(found, seed)


def _with_defaults(written: Mapping[str, Any]) -> Mapping[str, Any]:
    """The run as the code writes it now. What the code cannot read any more stays as it is: it is of another recipe."""
    try:
        return Run.from_json(written).to_json()
    except ValueError:
        return written


def _without_seed(value: Any, seed: int) -> Any:
    """The same with no seed in the names of folders: latents/good_data.seed0 is that of seed 0."""
    match value:
        case str():
            return re.sub(rf"seed{seed}(?!\d)", "seed", value)
        case dict():
            return {name: _without_seed(part, seed) for name, part in value.items()}
        case list():
            return [_without_seed(part, seed) for part in value]
    return value
