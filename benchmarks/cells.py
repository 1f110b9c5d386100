"""Cells of what is learnt: one measurement with one seed each, its own resumable command that writes its raw JSON.

Raw files go to results/learning/, runs to runs/learning/.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmarks.recipe import holds_other, is_stale
from benchmarks.record import ROOT, origin
from jepakit.cli.allocator import keep_freed_memory
from jepakit.pretrained import load
from jepakit.train.fit import fit
from jepakit.train.run import Run
from jepakit.train.stops import Collapsed

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Cell:
    """One measurement with one seed: what to do, and under which claims its figures go."""

    name: str
    seed: int
    measure: Callable[["Cell"], dict[str, Any]]
    run: Run
    claims: dict[str, str]
    """Claim -> the figure of the measurement that it takes."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Figure -> its unit, where it is not an accuracy."""


def train(cell: Cell) -> tuple[Any, dict[str, Any]]:
    """The backbone that a training, begun or gone on with, leaves, and what is to be known of the training.

    A collapse is a finding, not an error.
    """
    out, collapsed = folder_of(cell), None
    clear_other(out, cell.run)
    try:
        backbone = fit(cell.run, out, resume=(out / "run.json").exists()).kept
    except Collapsed as stop:
        collapsed, backbone = str(stop), load(str(out))
    readings = [line["watch"] | {"step": line["step"]} for line in read_log(out) if "watch" in line]
    return backbone, {
        "rank": readings[-1]["rank_me"],
        "readings": readings,
        "collapsed": collapsed,
        **read_training(out),
    }


def clear_other(out: Path, run: Run) -> None:
    """Removes a training by another recipe or seed: gone on with, it would be neither the one nor the other."""
    if holds_other(out, run):
        print(f"begun anew, for {out.relative_to(ROOT)} holds a training by another recipe", flush=True)
        shutil.rmtree(out)


def read_log(out: Path) -> list[dict[str, Any]]:
    """What a run wrote down, line by line."""
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def read_training(out: Path) -> dict[str, Any]:
    """What a training took."""
    steps = [line for line in read_log(out) if "loss" in line]
    gflops = sum(line["metrics"]["gflops"] for line in steps) / len(steps) * steps[-1]["step"]
    return {
        "flops": gflops * 1e9,
        "train_seconds": steps[-1]["seconds"],
        "images_per_second": steps[-1]["images_per_second"],
    }


def write(cell: Cell, found: dict[str, Any], command: str) -> None:
    """The raw file of a cell; units and FLOP are one for all of its claims, or one for each."""

    def each(known: Mapping[str, Any]) -> dict[str, Any]:
        return {claim: known[figure] for claim, figure in cell.claims.items()}

    flops, units = found["flops"], {figure: cell.units.get(figure, "accuracy") for figure in cell.claims.values()}
    body = {
        "claims": {claim: found[figure] for claim, figure in cell.claims.items()},
        "seed": cell.seed,
        "unit": each(units) if len(set(units.values())) > 1 else next(iter(units.values())),
        **found,
        "flops": each(flops) if isinstance(flops, dict) else flops,
        "run": cell.run.to_json(),
        **origin(f"{command} {cell.name}"),
    }
    path_of(cell).parent.mkdir(parents=True, exist_ok=True)
    path_of(cell).write_text(json.dumps(body, indent=1) + "\n")


def path_of(cell: Cell) -> Path:
    return ROOT / "results" / "learning" / f"{cell.name}.json"


def folder_of(cell: Cell) -> Path:
    return ROOT / "runs" / "learning" / cell.name


def state_of(cell: Cell) -> str:
    """Whether its raw file is there ("done"), is not ("missing"), was measured with another recipe ("stale"), or lacks
    claims that were added since ("partial")."""
    if not path_of(cell).exists():
        return "missing"
    raw = json.loads(path_of(cell).read_text())
    if is_stale(raw, cell.run):
        return "stale"
    return "done" if cell.claims.keys() <= raw["claims"].keys() else "partial"


def main(cells: Mapping[str, Cell], module: str, about: str | None) -> None:
    """Runs the cells that were asked for and are not done: the command line of `module`, about that."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("names", nargs="*", help="names of cells, or how they begin; all if none is given")
    parser.add_argument("--list", action="store_true", help="say how each of them stands, and run nothing")
    parser.add_argument("--again", action="store_true", help="measure again what there is, from an empty folder")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(asked.threads)
    threadpool_limits(asked.threads)
    chosen = [cell for name, cell in cells.items() if not asked.names or name.startswith(tuple(asked.names))]
    for cell in chosen:
        state = state_of(cell)
        if asked.list or (state == "done" and not asked.again):
            print(f"{state:<8} {cell.name}", flush=True)
            continue
        if asked.again or state == "stale":
            shutil.rmtree(folder_of(cell), ignore_errors=True)
        print(f"running {cell.name}", flush=True)
        found = cell.measure(replace(cell, run=replace(cell.run, threads=asked.threads, sinks=())))
        write(cell, found, f"python -m {module}")
