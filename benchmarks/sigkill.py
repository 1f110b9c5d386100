"""A training that is killed again and again ends as if nothing had happened: `python -m benchmarks.sigkill`.

One run goes through to its end. Another one, of the same recipe, is killed with SIGKILL at random moments, every
third time in the middle of writing a checkpoint, and resumed each time. Weights, optimizer and logged losses must be
equal bit for bit. Writes results/benchmarks/sigkill.json.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.record import record
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.family import ijepa
from jepakit.train.checkpoint import latest
from jepakit.train.fit import fit
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

STEPS_PER_KILL = 12
EVERY = 5
PATIENCE = 240.0


@dataclass(frozen=True)
class Survival:
    """What became of a run that was killed `kills` times, `inside` of them while a checkpoint was being written."""

    identical: bool
    kills: int
    inside: int


def recipe(kills: int) -> Run:
    """A small I-JEPA on real digits, long enough to be killed so often."""
    return Run(
        model=replace(ijepa.TINY, image=(16, 16), patch=4),
        data=Images(root="packaged:digits", transform=ImageTransform(size=16), augment=RandomResizedCrop()),
        steps=STEPS_PER_KILL * (kills + 1),
        batch=16,
        optimizer=AdamW(warmup=0.1),
        keep=Keep(every=EVERY, last=2),
        watch=Watch(action="warn", every=20, samples=8, views=2),
        log_every=1,
        device="cpu",
        threads=1,
        workers=1,
        sinks=(),
    )


def train(out: Path, run: Run) -> None:
    """What the killed processes do: start the run, or go on with it. They say nothing."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    fit(run, out, resume=(out / "run.json").exists())


def survive(folder: Path, kills: int, seed: int) -> Survival:
    """Trains once in peace and once with `kills` murders, and compares."""
    run = recipe(kills)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["jepakit.data.images", "jepakit.family.ijepa", "jepakit.train.fit"]
    )  # so that a process starts in no time
    draws = random.Random(seed)
    done = inside = 0
    peaceful, killed = folder / "peaceful", folder / "killed"
    for out in (peaceful, killed):
        while not finished(out, run):
            process = context.Process(target=train, args=(out, run))
            process.start()
            if out == killed and done < kills:
                wait_for_moment(process, out, draws, in_checkpoint=done % 3 == 2)
                done += process.is_alive()
                os.kill(process.pid or 0, signal.SIGKILL)
            process.join(PATIENCE)
            inside += out == killed and any(out.glob(".step-*.writing"))
            if process.exitcode not in (0, -signal.SIGKILL):
                raise RuntimeError(f"the training in {out} ended with exit code {process.exitcode}")
    return Survival(identical=equal(peaceful, killed), kills=done, inside=inside)


def wait_for_moment(process: BaseProcess, out: Path, draws: random.Random, in_checkpoint: bool) -> None:
    """Until some random steps have been logged and a random time has passed, or a checkpoint is being written."""
    steps = draws.randrange(2 * EVERY)
    before, delay, start = count_lines(out), draws.uniform(0, 0.03), time.monotonic()
    while process.is_alive() and time.monotonic() - start < PATIENCE:
        if in_checkpoint and count_lines(out) > before and any(out.glob(".step-*.writing/config.json")):
            return
        if not in_checkpoint and count_lines(out) >= before + steps:
            time.sleep(delay)
            return


def count_lines(out: Path) -> int:
    """How many lines the log has; a resumed run first drops those that it will write again."""
    path = out / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def finished(out: Path, run: Run) -> bool:
    """Whether the last checkpoint is there."""
    found = latest(out)
    return found is not None and int(found.name[5:]) == run.steps


def equal(one: Path, other: Path) -> bool:
    """Whether weights, optimizer and logged losses are the same, bit for bit."""
    folders = latest(one), latest(other)
    assert folders[0] is not None
    assert folders[1] is not None
    for path in [folders[0] / "model.safetensors", *(folders[0] / "resume").glob("*.safetensors")]:
        tensors, others = load_file(path), load_file(folders[1] / path.relative_to(folders[0]))
        if tensors.keys() != others.keys():
            return False
        if not all(torch.equal(tensor, others[name]) for name, tensor in tensors.items()):
            return False
    return losses(one) == losses(other)


def losses(out: Path) -> list[tuple[int, float]]:
    """The logged losses with their steps."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if "loss" in line]


def exactly(value: int, unit: str) -> dict[str, int | str]:
    """A claim that was counted, not estimated."""
    return {"value": value, "low": value, "high": value, "n": 1, "unit": unit}


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = survive(Path(folder), asked.kills, asked.seed)
    path = record(
        "sigkill",
        {
            "claims": {
                "faults.sigkill.identical": exactly(int(found.identical), "boolean"),
                "faults.sigkill.trials": exactly(found.kills, "kills"),
            },
            "inside_checkpoint": found.inside,
            "seeds": [asked.seed],
        },
    )
    print(f"killed {found.kills} times, {found.inside} inside of a checkpoint; identical: {found.identical}; {path}")


if __name__ == "__main__":
    main()
