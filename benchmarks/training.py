"""How many frames a second world models learn from, on one thread: reading, both passes and the optimizer.

    python -m benchmarks.training

A few steps of each recipe on collected episodes, as `jepakit train` does them. Seconds are those of the process; what
starting and ending a run takes is left out, as the difference of a longer and a shorter run. The planner of two rooms
learns from latents, so its frames are not looked at again.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.record import record
from benchmarks.worlds import show
from jepakit.app.collecting import collect, named_policy, named_world
from jepakit.cli.allocator import keep_freed_memory
from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories
from jepakit.family.pldm import PLDM
from jepakit.mujoco import NoCanvas
from jepakit.pretrained import initializer
from jepakit.recipes import arm, worlds
from jepakit.train.fit import fit
from jepakit.train.run import Run

EPISODES = 48
SHORT, LONG = 3, 18
"""Steps of the two runs, multiples of 3: the network of the arm's model learns for a third of each."""
NAMES = ("two_rooms", "two_rooms_planner", "arm7")


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/training.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each recipe runs")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    rates, reasons = dict[str, dict[str, Any]](), dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            try:
                rates[name] = measure(prepared(name, Path(folder)), Path(folder), arguments.rounds)
            except (NoCanvas, ImportError) as error:
                reasons[name] = str(error)
    show(rates, reasons, "recipe", "learnt from")
    path = record(
        "training",
        {
            "what": f"CPU-seconds of one thread, of {LONG - SHORT} steps",
            "claims": {f"training.{name}.frames_per_second": rate for name, rate in rates.items()},
            "left_out": reasons,
        },
    )
    print(f"written to {path}")


def prepared(name: str, folder: Path, episodes: int = EPISODES) -> Run:
    """The run of a recipe on episodes that are collected here, in a world that it is made for.

    Raises NoCanvas or ImportError for a world that does not run here.
    """
    data, sees = folder / name, folder / "sees"
    if name == "arm7":
        collect(named_world("arm7"), named_policy("arm"), episodes, 32, 0, data)
        run = arm.world_model()
        assert isinstance(run.data, Trajectories)
        return short(replace(run, data=replace(run.data, root=str(data))))
    data = folder / "two_rooms"
    collect(named_world("two_rooms"), named_policy("mixture"), episodes, 64, 0, data)
    first = worlds.two_rooms()
    assert isinstance(first.data, Trajectories)
    first = short(replace(first, data=replace(first.data, root=str(data))))
    if name == "two_rooms":
        return first
    if not sees.exists():
        fit(replace(first, steps=1), sees)
    second = worlds.two_rooms_planner()
    assert isinstance(second.model, PLDM)
    assert isinstance(first.data, Trajectories)
    latents = Latents(trajectories=first.data, folder=str(folder / "latents"))
    return short(replace(second, model=replace(second.model, source=str(sees)), data=latents))


def short(run: Run) -> Run:
    """The run on one thread, in this process, telling nobody."""
    return replace(run, threads=1, workers=0, sinks=())


def measure(run: Run, folder: Path, rounds: int) -> dict[str, Any]:
    """Frames a CPU-second: the median of the rounds, their least and most. The first round is not counted."""
    assert isinstance(run.model, PLDM)
    frames = (LONG - SHORT) * run.batch * run.model.frames
    rates = []
    for number in range(rounds + 1):
        seconds = [seconds_of(replace(run, steps=steps), folder) for steps in (SHORT, LONG)]
        if number:
            rates.append(frames / (seconds[1] - seconds[0]))
    return {
        "value": statistics.median(rates),
        "low": min(rates),
        "high": max(rates),
        "n": rounds,
        "unit": "frames a second",
    }


def seconds_of(run: Run, folder: Path) -> float:
    """What a training takes from its start to its end."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        begin = time.process_time()
        fit(run, Path(out) / "run", initialize=initializer(run.model, None, data=run.data, seed=run.seed))
        return time.process_time() - begin


if __name__ == "__main__":
    main()
