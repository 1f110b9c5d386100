"""Goals reached from pixels in two rooms: planning with PLDM against chance, cloning, and planning with the truth.

`python -m benchmarks.two_rooms` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose: `python -m benchmarks.two_rooms two_rooms.model.seed0`. Episodes come first, to runs/rooms/: half walks,
half those of somebody who knows the way but for noise; and walks that never pass the door (poor data). What is success,
and every number of the planners, stands in the raw files. Changed costs are of the same model, which is not trained
again: a zone on the way, which is read off latents by a ridge regression on training episodes, and a goal to flee from.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from benchmarks.record import ROOT
from benchmarks.stages import told, train_stages
from jepakit.app.collecting import collect, named_policy
from jepakit.app.planning import Loaded, open_run
from jepakit.app.world_examination import read_clips
from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories
from jepakit.evals.changed_costs import CarefulPolicy, Fleeing, without_entering
from jepakit.evals.goals import BY_MPPI, TWO_ROOMS, GoalReaching
from jepakit.family.pldm import PLDM
from jepakit.planning.control import Planning
from jepakit.planning.costs import KnownPositions
from jepakit.planning.outcome import Outcome
from jepakit.planning.policies import States
from jepakit.planning.protocol import evaluate
from jepakit.planning.simulated import Simulated
from jepakit.probes.world_model import StateReader
from jepakit.recipes import worlds
from jepakit.train.run import Run
from jepakit.worlds.two_rooms import TwoRooms

EPISODES, STEPS = 4_000, 64
POLICIES = {"good_data": "mixture", "poor_data": "confined"}
FOLDER = "runs/rooms"
SUITE = replace(TWO_ROOMS, episodes=100)
REPLANS: dict[str, int | None] = {"1": 4, "k": 16, "open_loop": None}
"""Steps of the world that are done of each plan: one decision, four of them, or all."""
SUCCESS = "success"
CHANGED = tuple(
    f"changed_cost.{wish}.{who}"
    for wish, actors in {
        "keep_out": ("cem", "careless", "oracle_dynamics", "random"),
        "sign_flipped": ("cem", "oracle_dynamics", "random"),
    }.items()
    for who in actors
)  # fmt: skip
"""Who does not enter the zone: one who plans around it, one who does not know of it, the truth, and chance."""
MANY = 200
"""Episodes of changed costs, of which those are left out that have no room for a zone, or begin far away."""
READ_OFF = 400
"""Windows of training episodes that places are learnt to be read off from."""


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        planner, cloned = (replace(each(), seed=seed) for each in (worlds.two_rooms_planner, worlds.two_rooms_bc))
        good, poor = (on_episodes(planner, name) for name in POLICIES)
        good_cloned, poor_cloned = (on_episodes(cloned, name) for name in POLICIES)
        found += [
            _cell("model", seed, good, by_model, ("cem", "random", "oracle_dynamics")),
            _cell("bc", seed, good_cloned, by_cloning, ("bc",)),
            _cell("mppi", seed, good, by_mppi, ("mppi",)),
            _cell("replan", seed, good, by_replanning, tuple(f"replan.{name}" for name in REPLANS)),
            _cell("changed", seed, good, by_changed_costs, CHANGED),
            _cell("poor_model", seed, poor, by_poor_model, ("poor_data.cem", "poor_data.random")),
            _cell("poor_bc", seed, poor_cloned, by_poor_cloning, ("poor_data.bc",)),
        ]
    return {cell.name: cell for cell in found}


def on_episodes(run: Run, name: str) -> Run:
    """The run on these episodes; a planner sees with the network that learnt from them."""
    if isinstance(run.data, Trajectories):
        return replace(run, data=replace(run.data, root=f"{FOLDER}/{name}"))
    assert isinstance(run.data, Latents)
    assert isinstance(run.model, PLDM)
    data = Latents(
        trajectories=replace(run.data.trajectories, root=f"{FOLDER}/{name}"),
        folder=f"{FOLDER}/latents/{name}.seed{run.seed}",
    )
    return replace(
        run, data=data, model=replace(run.model, source=f"runs/learning/two_rooms.sight.{name}.seed{run.seed}")
    )


def prepared(cell: Cell, name: str) -> tuple[Loaded, dict[str, Any], GoalReaching]:
    """Collects what is missing, trains, and gives what acts and where."""
    data, own = cell.run.data, replace(cell, name=f"two_rooms.{name}.seed{cell.seed}")
    assert isinstance(data, Latents | Trajectories)
    episodes = Path((data.trajectories if isinstance(data, Latents) else data).root).name
    collect(SUITE.world, named_policy(POLICIES[episodes]), EPISODES, STEPS, 0, ROOT / FOLDER / episodes)
    if isinstance(data, Latents):
        sight = replace(worlds.two_rooms(), seed=cell.seed, threads=cell.run.threads, sinks=())
        first = f"two_rooms.sight.{episodes}.seed{cell.seed}"
        facts = train_stages(replace(cell, name=first, run=on_episodes(sight, episodes)), own)
    else:
        facts = train(own)[1]
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


def by_changed_costs(cell: Cell) -> dict[str, Any]:
    """The same model, with wishes that nobody had when it was trained."""
    loaded, facts, suite = prepared(cell, "model")
    suite = replace(suite, episodes=MANY)
    played = {f"changed_cost.keep_out.{name}": outcome for name, outcome in keeping_out(loaded, suite, cell).items()}
    away = replace(
        suite, world=Fleeing(), planning=replace(suite.planning, cost=replace(suite.planning.cost, seen=-1.0))
    )
    policies = {
        "cem": away.by_model(loaded.method, loaded.pictures),
        "oracle_dynamics": away.by_truth(),
        "random": away.by_chance(),
    }
    for name, policy in policies.items():
        protocol = replace(away.protocol(policy.planning), success="final")
        played[f"changed_cost.sign_flipped.{name}"] = evaluate(policy, away.simulator, protocol, batch=away.batch)
    return {**told(played), **facts}


def keeping_out(loaded: Loaded, suite: GoalReaching, cell: Cell) -> dict[str, Outcome]:
    """Who reaches goals without entering the zone on the way."""
    world = suite.simulator
    assert isinstance(world, TwoRooms)
    assert isinstance(cell.run.data, Latents)
    seen = read_clips(replace(cell.run.data.trajectories, states=True).build(), READ_OFF, torch.device("cpu"))
    reader = StateReader.fitted(loaded.method, seen)
    truth = suite.by_truth().planning
    assert truth is not None, "the truth plans"
    policies = {
        "cem": CarefulPolicy(
            world, loaded.method, suite.planning, loaded.pictures, lambda states: reader(states.latent)[..., :2]
        ),
        "careless": suite.by_model(loaded.method, loaded.pictures),
        "oracle_dynamics": CarefulPolicy(
            world, Simulated(world, truth.timing.skip), truth, States(), KnownPositions((0, 1))
        ),
        "random": suite.by_chance(),
    }
    return {name: without_entering(suite.play(policy), world) for name, policy in policies.items()}


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


def _cell(name: str, seed: int, run: Run, measure: Callable[[Cell], dict[str, Any]], figures: tuple[str, ...]) -> Cell:
    claims = {f"two_rooms.{figure}.{SUCCESS}": figure for figure in figures}
    units = dict.fromkeys(figures, "share of episodes")
    return Cell(f"two_rooms.{name}.seed{seed}", seed, measure, run, claims, units)


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.two_rooms", __doc__)


if __name__ == "__main__":
    main()
