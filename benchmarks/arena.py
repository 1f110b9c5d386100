"""Members of the family and rivals with as many operations each, probed alike: Fashion-MNIST, and scenes to count.

`python -m benchmarks.arena` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. It is `jepakit eval`, a contestant and a seed at a time: `arena.ijepa` on Fashion-MNIST, `scenes.ijepa` on
pictures of scenes. What I-JEPA takes to reach the mark on Fashion-MNIST, as a share of what a rival takes, stands in
`efficiency`; what never reaches it takes its whole training at least.
"""

import json
import math
from dataclasses import replace
from functools import cache
from typing import Any

from benchmarks.cells import SEEDS, Cell, clear_other, folder_of, path_of
from benchmarks.cells import main as run_cells
from jepakit.evals.arena import COSTS, GRAY, SCENES, Arena, contest, questions, reached, run_folder
from jepakit.evals.contestants import CONTESTANTS, EVERYONE
from jepakit.pretrained import untrained
from jepakit.probes.finetune import FineTune
from jepakit.probes.result import Result
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.train.run import Run

ARENAS: dict[str, Arena] = {
    "arena": replace(GRAY, tflop=8.0, contestants=tuple(EVERYONE)),
    "scenes": replace(SCENES, tflop=8.0),
}
REACH = 0.75
"""How much a linear layer on 2,000 labels has to tell right (`evals.pace`, validation part): whose price is asked for.
Two standard errors of 1,000 pictures above random init, which tells 71.6, 72.6 and 73.3 % right with the seeds of the
networks here. Raw pixels tell 80 %: it is a mark of how soon something is learnt at all. An earlier one, 22 % of scenes
counted, was given up when a supervised training with as many operations did not reach it either.
"""
TOLD = ("count", "distance")
"""Questions about scenes that a network can be trained to answer, with labels."""
CLAIMED = {"seconds": "cpu_seconds", "flop": "flop", "samples": "samples"}
"""How claims call what is paid."""
RIVALS = ("mae", "ibot")


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        for where, arena in ARENAS.items():
            names = (*arena.contestants, "random_init", *(("raw",) if seed == SEEDS[0] else ()))
            found += [_cell(where, name, seed) for name in names]
        claims = {f"arena.supervised.{asked}": asked for asked in TOLD}
        found.append(Cell(f"scenes.supervised.seed{seed}", seed, supervised, _run("scenes", "ijepa", seed), claims))
        for rival in RIVALS:
            claims = {f"efficiency.ijepa_over_{rival}.{kind}": figure for kind, figure in CLAIMED.items()}
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
    arena, folder = replace(ARENAS[where], threads=cell.run.threads), folder_of(cell)
    if name in arena.contestants:
        clear_other(run_folder(folder, name, cell.seed), arena.run(name, cell.seed))
    row = contest(arena, name, cell.seed, folder)
    return {**row["probes"], **row.get("energy", {}), **row}


def supervised(cell: Cell) -> dict[str, Any]:
    """The network of the contestants, trained on labels: for each question with as many operations as one of them."""
    arena, rows, flops = ARENAS["scenes"], dict[str, Result](), dict[str, float]()
    for name in TOLD:
        splits = Splits.of(questions(arena.data)[name].data)
        backbone, probe = untrained(arena.network, cell.seed), FineTune(batch=arena.batch)
        tokens = math.prod(side // arena.network.patch for side in arena.network.image)
        cost = 3 * probe.batch * backbone.flops(tokens)  # a backward pass costs two forward ones
        probe = replace(probe, steps=round(arena.tflop * 1e12 / cost))
        rows[name] = probe.measure(Subject("supervised", backbone, splits), cell.seed)
        flops[name] = probe.steps * cost
    return {**{name: row.value for name, row in rows.items()}, "flops": flops,
            "results": [row.to_json() for row in rows.values()]}  # fmt: skip


def price(cell: Cell) -> dict[str, Any]:
    """What I-JEPA takes to reach the mark, as a share of what the rival takes, from their raw files.

    What never reaches it takes its whole training at least, so that the share is a bound; there is none if neither
    does.
    """
    ours, theirs = (
        _curve(replace(cell, name=f"arena.{name}.seed{cell.seed}"))
        for name in ("ijepa", cell.name.split(".")[1].removeprefix("ijepa_over_"))
    )
    own, other = reached(ours, REACH), reached(theirs, REACH)
    paid, of = own or ours[-1], other or theirs[-1]
    shares = {kind: paid[kind] / of[kind] if own or other else None for kind in COSTS}
    return {**shares, "mark": REACH, "reached": {"ours": own is not None, "theirs": other is not None}, "flops": 0}


def _curve(cell: Cell) -> list[dict[str, Any]]:
    """From the raw file of a training. Raises ValueError where it is missing."""
    if not path_of(cell).exists():
        raise ValueError(f"what it takes is read from {path_of(cell).name}; run {cell.name} first")
    return json.loads(path_of(cell).read_text())["curve"]


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.arena", __doc__)


if __name__ == "__main__":
    main()
