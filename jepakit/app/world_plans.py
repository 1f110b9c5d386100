"""A few episodes of planning with a run, to look at: where its episodes come from a world that there are goals in."""

from dataclasses import dataclass, replace
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from jepakit.app.planning import show_side_by_side
from jepakit.app.report.sight import FLOP_BUDGET
from jepakit.app.world_examination import WorldExamination
from jepakit.data.trajectories import Trajectories
from jepakit.data.trajectory_files import MANIFEST, read_manifest
from jepakit.evals.goals import SUITES, GoalReaching
from jepakit.planning.policies import Pictures

PLAYED, IMAGINED = 3, 1_000_000
"""Episodes of a film, one row; and the steps that are imagined for them, about."""
SEED = 0


@dataclass(frozen=True)
class Plans:
    """A film of `count` episodes, each beside its goal, how many of them got there, and under which protocol."""

    world: str
    frames: UInt8[Tensor, "t h w 3"]
    count: int
    reached: int
    protocol: str


def film_plans(found: WorldExamination) -> Plans:
    """Plays a few episodes with the model. Raises ValueError where nobody knows goals for it, or it takes too long."""
    name, suite = find_suite(found.data)
    if found.flop * IMAGINED > FLOP_BUDGET:
        raise ValueError(f"planning takes too long for a report with a model of this size; try jepakit plan in {name}")
    few = replace(suite, episodes=PLAYED, seeds=(SEED,))
    device = next(found.method.parameters()).device
    policy = few.by_model(found.method, Pictures(found.data.transform, found.window), device=device)
    outcome = few.play(policy)
    frames = show_side_by_side(few.simulator, outcome.states, few.simulator.render(outcome.goals))
    reached = sum(episode.reached for episode in outcome.episodes)
    return Plans(name, frames, len(outcome.episodes), reached, outcome.protocol)


def find_suite(data: Trajectories) -> tuple[str, GoalReaching]:
    """The goals in the world that episodes were collected in, by name.

    Raises ValueError where nobody knows that world, or goals in it, or where actions were cut otherwise than it plans.
    """
    if not (Path(data.root) / MANIFEST).is_file():
        raise ValueError("it is not known which world the episodes come from, for `jepakit collect` did not make them")
    about = read_manifest(Path(data.root)).about
    world = about["world"]["class"] if "world" in about else None
    for name, suite in SUITES.items():
        if suite.world.to_json()["class"] == world:
            timing = suite.planning.timing
            if (timing.skip, timing.told) != (data.skip, data.blocks):
                raise ValueError(
                    f"the goals in {name} are planned for {timing.skip} steps at a time ({timing.told}), and the "
                    f"episodes were cut for {data.skip} ({data.blocks})"
                )
            return name, suite
    raise ValueError(f"there is no suite of goals in the world of these episodes; there are {', '.join(SUITES)}")
