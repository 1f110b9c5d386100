"""World models that learn in two stages: what sees, then, on what that makes of every frame, what predicts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.cells import Cell, clear_other, folder_of, read_training, train
from jepakit.data.latents import Latents
from jepakit.planning.outcome import Outcome
from jepakit.pretrained import initializer, load_method
from jepakit.train.fit import fit


def train_stages(first: Cell | None, second: Cell) -> dict[str, Any]:
    """Trains both, or goes on; says what that took together, one look at every frame included.

    Without a `first`, what sees is random.
    """
    assert isinstance(second.run.data, Latents)
    sight = {"flops": 0.0, "train_seconds": 0.0} if first is None else train(first)[1]
    run, out = second.run, folder_of(second)
    clear_other(out, run)
    start = initializer(run.model, None, data=run.data, seed=run.seed)
    fit(run, out, resume=(out / "run.json").exists(), initialize=start)
    facts = read_training(out)
    frames = len(replace(second.run.data.trajectories, frames=1).build())
    looked = frames * load_method(str(out)).kept.flops(1)
    return {
        **facts,
        "flops": sight["flops"] + looked + facts["flops"],
        "train_seconds": sight["train_seconds"] + facts["train_seconds"],
        **({"rank": sight["rank"]} if "rank" in sight else {}),
    }


def told(played: Mapping[str, Outcome]) -> dict[str, Any]:
    """Shares of success by name, and all episodes."""
    rates = {name: outcome.rate for name, outcome in played.items()}
    return {**rates, "outcomes": {name: outcome.to_json() for name, outcome in played.items()}}
