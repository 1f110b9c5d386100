"""Members of the family and rivals with as many operations each, probed alike: Fashion-MNIST, and scenes to count.

`python -m benchmarks.arena` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. It is `jepakit eval`, a contestant and a seed at a time: `arena.ijepa` on Fashion-MNIST, `scenes.ijepa` on
pictures of scenes. What I-JEPA takes to reach the mark, as a share of what a rival takes, stands in `efficiency`; a
rival that never reaches it takes its whole training at least.
"""

import json
from dataclasses import replace
from functools import cache
from typing import Any

from benchmarks.cells import SEEDS, Cell, folder_of, path_of
from benchmarks.cells import main as run_cells
from jepakit.evals.arena import GRAY, SCENES, Arena, contest, questions, reached
from jepakit.evals.contestants import CONTESTANTS, EVERYONE
from jepakit.train.run import Run

ARENAS: dict[str, Arena] = {
    "arena": replace(GRAY, tflop=8.0, contestants=tuple(EVERYONE)),
    "scenes": replace(SCENES, tflop=12.0),
}
REACH = 0.75
"""kNN accuracy on the validation part whose price is asked for: fixed before anything was trained."""
COSTS: tuple[str, ...] = ("seconds", "flop", "samples")
RIVALS = ("mae", "ibot")


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        for where, arena in ARENAS.items():
            names = (*arena.contestants, "random_init", *(("raw",) if seed == SEEDS[0] else ()))
            found += [_cell(where, name, seed) for name in names]
        for rival in RIVALS:
            claims = {f"efficiency.ijepa_over_{rival}.{kind}": kind for kind in COSTS}
            name = f"arena.ijepa_over_{rival}.seed{seed}"
            found.append(Cell(name, seed, price, _run("arena", "ijepa", seed), claims, dict.fromkeys(COSTS, "times")))
    return {cell.name: cell for cell in found}


def _cell(where: str, name: str, seed: int) -> Cell:
    claims = {f"arena.{name}.{asked}": asked for asked in questions(ARENAS[where].data)}
    units = {"auroc": "AUROC", "segmentation": "share (mean IoU)"}
    if where == "arena" and name in CONTESTANTS:
        claims |= {f"energy.{name}.{figure}": figure for figure in ("auroc", "retrieval")}
    if where == "arena" and name == "lejepa":
        claims["lejepa.linear"] = "linear"
    return Cell(f"{where}.{name}.seed{seed}", seed, enter, _run(where, name, seed), claims, units)


def _run(where: str, name: str, seed: int) -> Run:
    """The training of a contestant; that of another one for a baseline, which has none."""
    contestants = ARENAS[where].contestants
    return replace(_planned(where, name if name in contestants else contestants[0]), seed=seed)


@cache
def _planned(where: str, name: str) -> Run:
    """Once for all seeds: a network is built to count its operations."""
    return ARENAS[where].run(name, SEEDS[0])


def enter(cell: Cell) -> dict[str, Any]:
    """One contestant or baseline."""
    where, name, _ = cell.name.split(".")
    row = contest(replace(ARENAS[where], threads=cell.run.threads), name, cell.seed, folder_of(cell).parent / where)
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


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.arena", __doc__)


if __name__ == "__main__":
    main()
