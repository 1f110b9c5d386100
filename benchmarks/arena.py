"""Members of the family and rivals on Fashion-MNIST, with as many operations each, probed alike.

`python -m benchmarks.arena` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. It is `jepakit eval arena`, a contestant and a seed at a time. What I-JEPA takes to reach the mark, as a share
of what a rival takes, stands in `efficiency`; a rival that never reaches it takes its whole training at least.
"""

import json
from dataclasses import replace
from functools import cache
from typing import Any

from benchmarks.cells import SEEDS, Cell, folder_of, path_of
from benchmarks.cells import main as run_cells
from jepakit.evals.arena import GRAY, Arena, contest, measured, reached
from jepakit.train.run import Run

ARENA = replace(GRAY, tflop=8.0)
OUT = "arena"
REACH = 0.75
"""kNN accuracy on the validation part whose price is asked for: fixed before anything was trained."""
COSTS: tuple[str, ...] = ("seconds", "flop", "samples")
RIVALS = ("mae", "ibot")


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        names = (*ARENA.contestants, "random_init", *(("raw",) if seed == SEEDS[0] else ()))
        found += [_cell(name, seed) for name in names]
        for rival in RIVALS:
            if rival in ARENA.contestants:
                claims = {f"efficiency.ijepa_over_{rival}.{kind}": kind for kind in COSTS}
                units = dict.fromkeys(COSTS, "times")
                name = f"arena.ijepa_over_{rival}.seed{seed}"
                found.append(Cell(name, seed, price, _run("ijepa", seed), claims, units))
    return {cell.name: cell for cell in found}


def _cell(name: str, seed: int) -> Cell:
    claims = {f"arena.{name}.{probe}": probe for probe in measured()}
    units = {"auroc": "AUROC"}
    if name in ARENA.contestants:
        claims |= {f"energy.{name}.{figure}": figure for figure in ("auroc", "retrieval")}
    if name == "lejepa":
        claims["lejepa.linear"] = "linear"
    return Cell(f"arena.{name}.seed{seed}", seed, enter, _run(name, seed), claims, units)


def _run(name: str, seed: int) -> Run:
    return replace(_planned(name if name in ARENA.contestants else ARENA.contestants[0]), seed=seed)


@cache
def _planned(name: str) -> Run:
    """Once for all seeds: a network is built to count its operations."""
    return ARENA.run(name, SEEDS[0])


def enter(cell: Cell) -> dict[str, Any]:
    """One contestant or baseline."""
    _, name, _ = cell.name.split(".")
    row = contest(_with_threads(cell), name, cell.seed, folder_of(cell).parent / OUT)
    return {**row["probes"], **row.get("energy", {}), **row}


def price(cell: Cell) -> dict[str, Any]:
    """What I-JEPA takes to reach the mark, as a share of what the rival takes, from their raw files."""
    ours, theirs = (
        json.loads(path_of(replace(cell, name=f"arena.{name}.seed{cell.seed}")).read_text())["curve"]
        for name in ("ijepa", cell.name.split(".")[1].removeprefix("ijepa_over_"))
    )
    own, other = reached(ours, REACH), reached(theirs, REACH)
    of = other or theirs[-1]
    shares = {kind: None if own is None else own[kind] / of[kind] for kind in COSTS}
    return {**shares, "mark": REACH, "reached": {"ours": own is not None, "theirs": other is not None}, "flops": 0}


def _with_threads(cell: Cell) -> Arena:
    return replace(ARENA, threads=cell.run.threads)


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.arena", __doc__)


if __name__ == "__main__":
    main()
