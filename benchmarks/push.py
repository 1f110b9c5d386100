"""A block pushed to where a picture shows it: planning with PLDM against chance, cloning, and planning with the truth.

`python -m benchmarks.push` runs what is missing, `--list` says what that is, and names (or beginnings of names) choose:
`python -m benchmarks.push push.model.seed0`. Episodes come first, to runs/push/: half walks, half those of somebody who
knows the way but for noise. A goal is what an expert makes of the start in 25 steps; 50 are allowed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from benchmarks.record import ROOT
from benchmarks.stages import told
from jepakit.app.collecting import collect, named_policy
from jepakit.app.planning import Loaded, open_run
from jepakit.data.trajectories import Trajectories
from jepakit.evals.goals import PUSH, GoalReaching
from jepakit.recipes import worlds
from jepakit.train.run import Run

EPISODES, STEPS, POLICY = 4_000, 64, "mixture"
FOLDER = "runs/push/episodes"
SUITE = replace(PUSH, episodes=100)


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        world, cloned = (on_episodes(replace(each(), seed=seed)) for each in (worlds.push, worlds.push_bc))
        found += [
            _cell("model", seed, world, by_model, ("cem", "random")),
            _cell("bc", seed, cloned, by_cloning, ("bc",)),
            _cell("oracle", seed, world, by_truth, ("oracle_dynamics",)),
        ]
    return {cell.name: cell for cell in found}


def on_episodes(run: Run) -> Run:
    """The run on the episodes of these cells."""
    assert isinstance(run.data, Trajectories)
    return replace(run, data=replace(run.data, root=FOLDER))


def by_model(cell: Cell) -> dict[str, Any]:
    """Planning, and chance."""
    loaded, facts, suite = prepared(cell)
    played = {
        "cem": suite.play(suite.by_model(loaded.method, loaded.pictures)),
        "random": suite.play(suite.by_chance()),
    }
    return {**told(played), **facts}


def by_cloning(cell: Cell) -> dict[str, Any]:
    """What was done in the data, towards the goal."""
    loaded, facts, suite = prepared(cell)
    return {**told({"bc": suite.play(suite.by_cloning(loaded.method, loaded.pictures))}), **facts}


def by_truth(cell: Cell) -> dict[str, Any]:
    """The true simulator in the model's place: nothing is learnt."""
    suite = replace(SUITE, seeds=(cell.seed,))
    return {**told({"oracle_dynamics": suite.play(suite.by_truth())}), "flops": 0}


def prepared(cell: Cell) -> tuple[Loaded, dict[str, Any], GoalReaching]:
    """Collects what is missing, trains, and gives what acts and where."""
    collect(SUITE.world, named_policy(POLICY), EPISODES, STEPS, 0, ROOT / FOLDER)
    _, facts = train(cell)
    return open_run(folder_of(cell), "cpu", False), facts, replace(SUITE, seeds=(cell.seed,))


def _cell(name: str, seed: int, run: Run, measure: Callable[[Cell], dict[str, Any]], figures: tuple[str, ...]) -> Cell:
    claims = {f"push.{figure}.success": figure for figure in figures}
    return Cell(f"push.{name}.seed{seed}", seed, measure, run, claims, dict.fromkeys(figures, "share of episodes"))


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.push", __doc__)


if __name__ == "__main__":
    main()
