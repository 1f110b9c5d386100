"""An arm of 7 joints by the protocol of V-JEPA 2-AC: planning from pictures, cloning, chance, and the true simulator.

`python -m benchmarks.arm7` runs what is missing, `--list` says what that is, and names (or beginnings of names) choose:
`python -m benchmarks.arm7 arm7.model.seed0`. Episodes come first, to runs/arm7/episodes; who acts in them, and what is
tested, is in docs/guides/arm.md. What is success, and every number of the planners, stands in the raw files.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from benchmarks.record import ROOT
from benchmarks.stages import told, train_stages
from jepakit.app.collecting import collect, named_policy
from jepakit.app.world_examination import read_clips
from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories
from jepakit.evals.arm_goals import SHIFTS, TASK_NAMES, WISHES
from jepakit.evals.goals import ARM, GoalReaching
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.planning.outcome import Outcome
from jepakit.planning.policies import GoalPolicy, Pictures
from jepakit.pretrained import load_method
from jepakit.probes.world_model import energy_landscape
from jepakit.recipes import arm
from jepakit.train.run import Run
from jepakit.worlds.arm.arm7 import Arm7

EPISODES, STEPS = 6_700, 32
"""Of which 6,000 are to train with, and a tenth is held out."""
COUNTS = (50, 200, 1_000, 6_000)
FOLDER = "runs/arm7"
DATA = replace(arm.EPISODES, root=f"{FOLDER}/episodes", episodes=COUNTS[-1])
ALL = replace(DATA, episodes=None)
"""What videos are: all episodes to train with, without their actions."""
FIRST_TASKS = ("reach", "grasp")
"""What is tried with few trajectories, and where the world is another than in them."""
WINDOWS, AXES = 200, (0, 1)
"""Held-out windows whose energies are looked at, over x and y."""


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        world, cloned, video, condensed = (
            replace(each(), seed=seed) for each in (arm.world_model, arm.cloning, arm.video, arm.condensed_world)
        )
        world, cloned = on_episodes(world, COUNTS[-1]), on_episodes(cloned, COUNTS[-1])
        played = [f"{task}.{who}" for task in TASK_NAMES for who in (*WISHES, "random")]
        found += [
            _cell("model", seed, world, by_model, [*played, *_fewer(COUNTS[-1], "scratch")], ERRORS),
            _cell("bc", seed, cloned, by_cloning, [*(f"{task}.bc" for task in TASK_NAMES), *_fewer(COUNTS[-1], "bc")]),
            _cell("shift", seed, world, by_shifts, [f"shift.{name}" for name in ("none", *SHIFTS)], DROPS),
            *(
                _cell(f"oracle.{task}", seed, world, by_truth, [f"{task}.oracle_dynamics"])
                for task in TASK_NAMES
            ),
            _cell("video", seed, replace(video, data=ALL), by_video, [], {"video.rank": "rank"}),
        ]  # fmt: skip
        for count in COUNTS:
            learners = {"pretrained": condensed, "random": condensed, "scratch": world, "bc": cloned}
            found += [
                _cell(f"data_{count}.{who}", seed, on_episodes(run, count), by_few, _fewer(count, who))
                for who, run in learners.items()
                if count != COUNTS[-1] or who in ("pretrained", "random")
            ]
    return {cell.name: cell for cell in found}


def on_episodes(run: Run, count: int) -> Run:
    """The run on so many of these episodes, in windows of its own."""
    frames = run.data.frames if isinstance(run.data, Trajectories) else DATA.frames
    return replace(run, data=replace(DATA, episodes=count, frames=frames))


def by_model(cell: Cell) -> dict[str, Any]:
    """All tasks, with a goal that is seen alone, seen and felt, and felt alone; and by chance."""
    method, pictures, facts = prepared(cell, "model")
    played = dict[str, Outcome]()
    for task, suite in suites(cell.seed).items():
        policies = {name: _acting(suite, method, pictures, name) for name in WISHES}
        for who, policy in {**policies, "random": suite.by_chance()}.items():
            played[f"{task}.{who}"] = suite.play(policy)
    few = {figure: played[f"{figure.split('.')[1]}.cem"].rate for figure in _fewer(COUNTS[-1], "scratch")}
    return {**told(played), **few, **energy_minimum(method, cell), **facts}


def by_cloning(cell: Cell) -> dict[str, Any]:
    """What was done in the data, towards the goal."""
    method, pictures, facts = prepared(cell, "bc")
    played = {f"{task}.bc": suite.play(suite.by_cloning(method, pictures)) for task, suite in suites(cell.seed).items()}
    few = {figure: played[f"{figure.split('.')[1]}.bc"].rate for figure in _fewer(COUNTS[-1], "bc")}
    return {**told(played), **few, **facts}


def by_truth(cell: Cell) -> dict[str, Any]:
    """The true simulator in the model's place: nothing is learnt."""
    (figure,) = cell.claims.values()
    suite = suites(cell.seed)[figure.split(".")[0]]
    return {**told({figure: suite.play(suite.by_truth())}), "flops": 0}


def by_video(cell: Cell) -> dict[str, Any]:
    """The first stage: nothing acts yet."""
    collect_episodes()
    return train(cell)[1]


def by_few(cell: Cell) -> dict[str, Any]:
    """Reaching and grasping by what learnt from few trajectories, to goals that are seen alone."""
    _, count, who, _ = (part.removeprefix("data_") for part in cell.name.split("."))
    two_stages = who in ("pretrained", "random")
    method, pictures, facts = staged(cell, who) if two_stages else prepared(cell, f"data_{count}.{who}")
    played = dict[str, Outcome]()
    for task in FIRST_TASKS:
        suite = suites(cell.seed)[task]
        played[f"data_{count}.{task}.{who}"] = suite.play(_acting(suite, method, pictures))
    return {**told(played), **facts}


def by_shifts(cell: Cell) -> dict[str, Any]:
    """The same model where something is as it never was in training: the mean of reaching and grasping what is seen.

    What a shift costs is counted on the same episodes.
    """
    method, pictures, facts = prepared(cell, "model")
    rates, drops, played = dict[str, float](), dict[str, dict[str, float]](), dict[str, Outcome]()
    for name, change in {"none": dict[str, Any](), **SHIFTS}.items():
        for task in FIRST_TASKS:
            suite = suites(cell.seed)[task]
            assert isinstance(suite.world, Arm7)
            shifted = replace(suite, world=replace(suite.world, **change))
            played[f"shift.{name}.{task}"] = shifted.play(_acting(shifted, method, pictures))
        rates[f"shift.{name}"] = sum(played[f"shift.{name}.{task}"].rate for task in FIRST_TASKS) / len(FIRST_TASKS)
        if name != "none":
            pairs = [(played[f"shift.none.{task}"], played[f"shift.{name}.{task}"]) for task in FIRST_TASKS]
            drops[f"drop.{name}"] = paired_drop(pairs)
    values = {name: drop["value"] for name, drop in drops.items()}
    return {**told(played), **rates, **values, "drops": drops, **facts}


def paired_drop(pairs: Sequence[tuple[Outcome, Outcome]]) -> dict[str, float]:
    """How many points of success are lost from the first of each pair to the second, in episodes that both played.

    The interval is that of a mean of differences (normal, 95 %); pairs of outcomes, which are tasks, count alike.
    Raises ValueError where nothing was played twice.
    """
    means, errors, count = list[float](), list[float](), 0
    for before, after in pairs:
        first, then = ({(each.seed, each.number): each.reached for each in one.episodes} for one in (before, after))
        lost = [100.0 * (first[episode] - then[episode]) for episode in first.keys() & then.keys()]
        if len(lost) < 2:
            raise ValueError(f"{before.policy}: a drop is that of two episodes or more, {len(lost)} were played twice")
        means.append(statistics.fmean(lost))
        errors.append(statistics.variance(lost) / len(lost))
        count += len(lost)
    value, half = statistics.fmean(means), 1.96 * math.sqrt(sum(errors)) / len(pairs)
    return {"value": value, "low": value - half, "high": value + half, "n": count}


def energy_minimum(method: WorldModelJEPA, cell: Cell) -> dict[str, float]:
    """How far from the true action the energy is least, in centimeters of x and y; and how far no movement lies."""
    assert isinstance(cell.run.data, Trajectories)
    clips = read_clips(replace(cell.run.data, frames=2).split("test"), WINDOWS, torch.device("cpu"))
    found = energy_landscape(method, clips, AXES, reach=Arm7().longest_move)
    still = found.taken.norm(dim=1).mean()
    return {"energy": 100 * float(found.missed.mean()), "energy_of_rest": 100 * float(still)}


ERRORS = {"energy_minimum.error": "energy", "energy_minimum.no_move": "energy_of_rest"}
DROPS = {f"shift.{name}.drop": f"drop.{name}" for name in SHIFTS}
UNITS = {"energy": "cm", "energy_of_rest": "cm", "rank": "effective rank", **dict.fromkeys(DROPS.values(), "points")}


def suites(seed: int) -> dict[str, GoalReaching]:
    """The tasks, a hundred episodes of each."""
    return {task: replace(suite, episodes=100, seeds=(seed,)) for task, suite in ARM.items()}


def collect_episodes() -> None:
    """Plays what is missing of the episodes."""
    collect(Arm7(), named_policy("arm"), EPISODES, STEPS, 0, ROOT / DATA.root)


def prepared(cell: Cell, name: str) -> tuple[Any, Pictures, dict[str, Any]]:
    """Collects what is missing, trains, and gives what acts, what it is shown, and what is known of the training."""
    collect_episodes()
    own = replace(cell, name=f"arm7.{name}.seed{cell.seed}")
    _, facts = train(own)
    return load_method(str(folder_of(own))), Pictures(DATA.transform), facts


def staged(cell: Cell, who: str) -> tuple[Any, Pictures, dict[str, Any]]:
    """The second stage, on what the first one left, or on a random encoder. The first is done if it is missing."""
    assert isinstance(cell.run.data, Trajectories)
    collect_episodes()
    first = None
    if who == "pretrained":
        video = cells()[f"arm7.video.seed{cell.seed}"]
        first = replace(video, run=replace(video.run, threads=cell.run.threads, sinks=()))
    data = Latents(trajectories=cell.run.data, folder=f"{FOLDER}/latents/{who}.seed{cell.seed}")
    source = None if first is None else str(folder_of(first))
    model = replace(cell.run.model, source=source)  # pyright: ignore[reportCallIssue]
    facts = train_stages(first, replace(cell, run=replace(cell.run, model=model, data=data)))
    return load_method(str(folder_of(cell))), Pictures(DATA.transform), facts


def _acting(suite: GoalReaching, method: Any, pictures: Pictures, wish: str = "cem") -> GoalPolicy:
    """A world model plans for what of the goal counts, what was cloned acts."""
    if not isinstance(method, WorldModelJEPA):
        return suite.by_cloning(method, pictures)
    cost = replace(suite.planning.cost, **WISHES[wish])
    return suite.by_model(method, pictures, replace(suite.planning, cost=cost))


def _fewer(count: int, who: str) -> list[str]:
    """The figures of learning from so many trajectories."""
    return [f"data_{count}.{task}.{who}" for task in FIRST_TASKS]


def _claim(figure: str) -> str:
    """The claim that a figure goes under: with few trajectories, reaching is what is claimed first."""
    return f"arm7.{figure.replace('.reach.', '.')}.success" if figure.startswith("data_") else f"arm7.{figure}.success"


def _cell(
    name: str,
    seed: int,
    run: Run,
    measure: Callable[[Cell], dict[str, Any]],
    figures: list[str],
    others: Mapping[str, str] | None = None,
) -> Cell:
    claims = {_claim(figure): figure for figure in figures}
    claims |= {f"arm7.{claim}": figure for claim, figure in (others or {}).items()}
    return Cell(
        f"arm7.{name}.seed{seed}", seed, measure, run, claims, {**dict.fromkeys(figures, "share of episodes"), **UNITS}
    )


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.arm7", __doc__)


if __name__ == "__main__":
    main()
