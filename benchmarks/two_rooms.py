"""Goals reached from pixels in two rooms: planning with PLDM against chance, cloning, and planning with the truth.

`python -m benchmarks.two_rooms` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose: `python -m benchmarks.two_rooms two_rooms.model.seed0`. Episodes come first, to runs/rooms/: half walks,
half those of somebody who knows the way but for noise; and walks that never pass the door (poor data). What is success,
and every number of the planners, stands in the raw files.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from benchmarks.record import ROOT
from jepakit.app.collecting import collect, named_policy
from jepakit.app.planning import Loaded, open_run
from jepakit.data.trajectories import Trajectories
from jepakit.evals.goals import BY_MPPI, TWO_ROOMS, GoalReaching
from jepakit.planning.control import Planning
from jepakit.planning.outcome import Outcome
from jepakit.recipes import worlds
from jepakit.train.run import Run

EPISODES, STEPS = 4_000, 64
POLICIES = {"good_data": "mixture", "poor_data": "confined"}
FOLDER = "runs/rooms"
SUITE = replace(TWO_ROOMS, episodes=100)
REPLANS: dict[str, int | None] = {"1": 4, "k": 16, "open_loop": None}
"""Steps of the world that are done of each plan: one decision, four of them, or all."""
SUCCESS = "success"


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        run, cloned = (replace(each(), seed=seed) for each in (worlds.two_rooms, worlds.two_rooms_bc))
        good, poor = (replace(run, data=data_of(run, name)) for name in POLICIES)
        found += [
            _cell("model", seed, good, by_model, ("cem", "random", "oracle_dynamics")),
            _cell("bc", seed, replace(cloned, data=good.data), by_cloning, ("bc",)),
            _cell("mppi", seed, good, by_mppi, ("mppi",)),
            _cell("replan", seed, good, by_replanning, tuple(f"replan.{name}" for name in REPLANS)),
            _cell("poor_model", seed, poor, by_poor_model, ("poor_data.cem", "poor_data.random")),
            _cell("poor_bc", seed, replace(cloned, data=poor.data), by_poor_cloning, ("poor_data.bc",)),
        ]
    return {cell.name: cell for cell in found}


def data_of(run: Run, name: str) -> Trajectories:
    """The episodes that a run learns from."""
    assert isinstance(run.data, Trajectories)
    return replace(run.data, root=f"{FOLDER}/{name}")


def prepared(cell: Cell, name: str) -> tuple[Loaded, dict[str, Any], GoalReaching]:
    """Collects what is missing, trains, and gives what acts and where."""
    assert isinstance(cell.run.data, Trajectories)
    folder = Path(cell.run.data.root)
    collect(SUITE.world, named_policy(POLICIES[folder.name]), EPISODES, STEPS, 0, ROOT / folder)
    own = replace(cell, name=f"two_rooms.{name}.seed{cell.seed}")
    _, facts = train(own)
    return open_run(folder_of(own), "cpu", False), facts, replace(SUITE, seeds=(cell.seed,))


def by_mppi(cell: Cell) -> dict[str, Any]:
    """The same model and another planner."""
    loaded, facts, suite = prepared(cell, "model")
    return {**told({"mppi": suite.play(suite.by_model(loaded.method, loaded.pictures, BY_MPPI))}), **facts}


def by_model(cell: Cell) -> dict[str, Any]:
    """Planning, chance, and the truth in the model's place."""
    loaded, facts, suite = prepared(cell, "model")
    played = {
        "cem": suite.play(suite.by_model(loaded.method, loaded.pictures)),
        "random": suite.play(suite.by_chance()),
        "oracle_dynamics": suite.play(suite.by_truth()),
    }
    return {**told(played), **facts}


def by_cloning(cell: Cell) -> dict[str, Any]:
    """What was done in the data, towards the goal."""
    loaded, facts, suite = prepared(cell, "bc")
    return {**told({"bc": suite.play(suite.by_cloning(loaded.method, loaded.pictures))}), **facts}


def by_replanning(cell: Cell) -> dict[str, Any]:
    """The same model, which looks again after a decision, after four, or never."""
    loaded, facts, suite = prepared(cell, "model")
    plannings: dict[str, Planning] = {
        name: replace(suite.planning, execute=execute) for name, execute in REPLANS.items()
    }
    played = {
        f"replan.{name}": suite.play(suite.by_model(loaded.method, loaded.pictures, planning))
        for name, planning in plannings.items()
    }
    return {**told(played), **facts}


def by_poor_model(cell: Cell) -> dict[str, Any]:
    """A model of episodes that never passed the door."""
    loaded, facts, suite = prepared(cell, "poor_model")
    played = {
        "poor_data.cem": suite.play(suite.by_model(loaded.method, loaded.pictures)),
        "poor_data.random": suite.play(suite.by_chance()),
    }
    return {**told(played), **facts}


def by_poor_cloning(cell: Cell) -> dict[str, Any]:
    """Cloning of such episodes."""
    loaded, facts, suite = prepared(cell, "poor_bc")
    return {**told({"poor_data.bc": suite.play(suite.by_cloning(loaded.method, loaded.pictures))}), **facts}


def told(played: dict[str, Outcome]) -> dict[str, Any]:
    """Shares of success by name, and all episodes."""
    rates = {name: outcome.rate for name, outcome in played.items()}
    return {**rates, "outcomes": {name: outcome.to_json() for name, outcome in played.items()}}


def _cell(name: str, seed: int, run: Run, measure: Callable[[Cell], dict[str, Any]], figures: tuple[str, ...]) -> Cell:
    claims = {f"two_rooms.{figure}.{SUCCESS}": figure for figure in figures}
    units = dict.fromkeys(figures, "share of episodes")
    return Cell(f"two_rooms.{name}.seed{seed}", seed, measure, run, claims, units)


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.two_rooms", __doc__)


if __name__ == "__main__":
    main()
