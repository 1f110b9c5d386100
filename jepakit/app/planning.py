"""`jepakit plan`: how well a run reaches goals in a world, and a film of it."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from jepakit.app.device import open_device
from jepakit.contracts import Observation, World, WorldModel
from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories
from jepakit.data.trajectory_files import MANIFEST, read_manifest
from jepakit.data.video_write import write_video
from jepakit.evals.goals import SUITES, GoalReaching
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.planning.cloned import Acting
from jepakit.planning.control import Controller, moved
from jepakit.planning.costs import Reach
from jepakit.planning.outcome import Outcome
from jepakit.planning.policies import GoalPolicy, Moments, Pictures
from jepakit.pretrained import load_method
from jepakit.train.log import read_run

BASELINES = (CHANCE, TRUTH) = ("random", "true simulator")
"""Who plays beside the runs; no run is called so."""
RATE, LARGER, FILMED = 12, 4, 9
"""Frames a second of a film, pixels of it for each pixel of the world, and episodes that it shows side by side."""


@dataclass(frozen=True)
class Loaded:
    """What a run learnt, and how it wants to be shown a world."""

    method: Any
    pictures: Pictures
    device: torch.device
    data: Trajectories


def open_run(run: Path, device: str, trusted: bool) -> Loaded:
    """The world model or cloned policy of a run. Raises ValueError for a run of another kind."""
    found = read_run(run, trusted).data
    data = found.trajectories if isinstance(found, Latents) else found
    place = open_device(device)
    method = load_method(str(run), trusted).to(place)
    if not isinstance(data, Trajectories) or not isinstance(method, WorldModel | Acting):
        raise ValueError(f"{run} learnt nothing that acts: plan with a run of `worlds:`, trained on trajectories")
    window = method.dynamics.window if isinstance(method, WorldModelJEPA) else 1
    return Loaded(method, Pictures(data.transform, window), place, data)


def label(runs: Sequence[Path]) -> dict[str, Path]:
    """Runs by the ends of their paths, as short as they are when no two are equal, and none is called as a baseline is.

    Raises ValueError for a folder that is named twice.
    """
    whole = [run.resolve() for run in runs]
    for run in runs:
        if whole.count(run.resolve()) > 1:
            raise ValueError(f"{run} is named twice; name each run once")
    found = dict[str, Path]()
    for run, path in zip(runs, whole, strict=True):
        ends = ["/".join(path.parts[-count:]) for count in range(1, len(path.parts) + 1)]
        found[next(end for end in ends if end not in BASELINES and sum(_ends_in(each, end) for each in whole) == 1)] = (
            run
        )
    return found


def _ends_in(path: Path, end: str) -> bool:
    return f"/{path}".endswith(f"/{end}")


def named_suite(world: str, episodes: int, seed: int) -> GoalReaching:
    """The goals of a world, so many of them. Raises ValueError for none, or with the worlds that there are goals in."""
    if world not in SUITES:
        raise ValueError(f"there is no suite of goals in {world!r}; there are {', '.join(SUITES)}")
    if episodes < 1:
        raise ValueError(f"episodes is how many are played and at least 1, got {episodes}")
    return replace(SUITES[world], episodes=episodes, seeds=(seed,))


def suited(suite: GoalReaching, name: str, loaded: Loaded) -> GoalReaching:
    """The suite with decisions told to a model as its own data were cut: so many steps, side by side or their sum.

    Raises ValueError for a run that learnt from episodes of another world, or where decisions are no multiple of what
    it imagines at a time. Where episodes do not say which world they come from, nobody asks.
    """
    data, here = loaded.data, suite.world.to_json()["class"]
    there = world_of(data)
    if there is not None and there != here:
        raise ValueError(
            f"{name} learnt from episodes of {there.rpartition('.')[2]} ({data.root}), and these goals are in "
            f"{here.rpartition('.')[2]}: choose its own with --world, of {', '.join(SUITES)}"
        )
    if data.blocks == "poses":
        raise ValueError(
            f"{name} learnt from differences of poses, and actions in {here.rpartition('.')[2]} are others"
        )
    given = suite.planning.timing
    if data.skip == given.skip and (data.skip == 1 or data.blocks == given.told):
        return suite
    try:
        timing = replace(given, skip=data.skip, told=data.blocks)
        return replace(suite, planning=replace(suite.planning, timing=timing))
    except ValueError as error:
        raise ValueError(f"{name} learnt from {data.skip} steps at a time (data.skip): {error}") from None


def world_of(data: Trajectories) -> str | None:
    """The class of the world that episodes were collected in, None where they do not say."""
    if not (Path(data.root) / MANIFEST).is_file():
        return None
    about = read_manifest(Path(data.root)).about
    return about["world"]["class"] if "world" in about else None


def compare(
    suite: GoalReaching, runs: Mapping[str, Loaded], video: Path | None, say: Callable[[str], None] = print
) -> None:
    """Random actions, every run, and planning with the true simulator, in the same episodes; a film of the first run.

    Raises ValueError where there is no run, and for a film that cannot be written: before anything is played.
    """
    if video is not None:
        require_film(video)
    outcomes = play(suite, runs)
    say(table(outcomes))
    if video is not None:
        film(video, suite.simulator, outcomes[next(iter(runs))])
        say(f"film: {video}")


def play(suite: GoalReaching, runs: Mapping[str, Loaded]) -> dict[str, Outcome]:
    """Everybody's episodes."""
    if not runs:
        raise ValueError("nothing to plan with: name the folder of a run, such as runs/two_rooms")
    policies = {CHANCE: suite.by_chance()}
    policies |= {name: policy_of(suited(suite, name, loaded), loaded) for name, loaded in runs.items()}
    policies[TRUTH] = suite.by_truth()
    return {name: suite.play(policy) for name, policy in policies.items()}


def pursue(
    suite: GoalReaching, runs: Mapping[str, Loaded], goal: Path, video: Path | None, say: Callable[[str], None] = print
) -> None:
    """Plans with one run to what a picture shows, from the start of the suite's seed.

    Raises ValueError for several runs, and for a film that cannot be written: before anything is done.
    """
    if video is not None:
        require_film(video)
    if len(runs) != 1:
        raise ValueError(f"a picture is planned for with one run, {len(runs)} are named")
    ((name, loaded),) = runs.items()
    picture, suite = read_picture(goal, suite.simulator), suited(suite, name, loaded)
    states, (before, after) = towards(suite, loaded, picture, suite.seeds[0])
    say(f"distance of latents from the goal: {before:.3f} at the start, {after:.3f} after {suite.budget} steps")
    if video is not None:
        write_film(video, suite.simulator, states[None], picture[None])
        say(f"film: {video}")


def policy_of(suite: GoalReaching, loaded: Loaded) -> GoalPolicy:
    """A world model plans, what was cloned acts."""
    if isinstance(loaded.method, WorldModel):
        return suite.by_model(loaded.method, loaded.pictures, device=loaded.device)
    return suite.by_cloning(loaded.method, loaded.pictures, loaded.device)


def table(outcomes: Mapping[str, Outcome]) -> str:
    """Who reached how many goals, and the protocol of all of them."""
    lines = [
        "| policy | success | 95 % | episodes | steps (median) | actions clamped | CPU-s a plan |",
        "|" + " --- |" * 7,
    ]
    for name, found in outcomes.items():
        low, high = found.interval
        steps = "" if found.steps is None else f"{found.steps:.0f}"
        lines.append(
            f"| {name} | {found.rate:.1%} | {low:.1%} to {high:.1%} | {len(found.episodes)} | {steps} "
            f"| {found.clamped} of {found.actions} | {found.cpu_seconds_per_plan:.3f} |"
        )
    protocols = "\n".join(f"{name}: {found.protocol}" for name, found in outcomes.items())
    excluded = next(iter(outcomes.values())).excluded
    return "\n".join(lines) + f"\n\n{excluded} episodes were solved at the start and are left out\n{protocols}"


def film(path: Path, world: World, outcome: Outcome) -> None:
    """The first episodes side by side, each beside its goal: .mp4, or .gif. Raises ValueError for another ending."""
    write_film(path, world, outcome.states[:FILMED], world.render(outcome.goals[:FILMED]))


def write_film(path: Path, world: World, states: Float[Tensor, "n t k"], goals: UInt8[Tensor, "n h w 3"]) -> None:
    """Writes a film of episodes, larger than the world draws them. Raises ValueError where it cannot be written."""
    require_film(path)
    small = show_side_by_side(world, states, goals)
    frames = small.repeat_interleave(LARGER, dim=1).repeat_interleave(LARGER, dim=2).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mp4":
        write_video(path, frames, RATE)
        return
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=1000 // RATE, loop=0)


def require_film(path: Path) -> None:
    """Raises ValueError for a path where no film can be written."""
    if path.suffix not in (".mp4", ".gif"):
        raise ValueError(f"a film ends in .mp4 or .gif, not {path.name}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file for the film")
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(f"{path} cannot be written: {there} is no folder that may be written to")


def show_side_by_side(
    world: World, states: Float[Tensor, "n t k"], goals: UInt8[Tensor, "n h w 3"]
) -> UInt8[Tensor, "t height width 3"]:
    """Episodes in rows of three, the picture of the goal, dimmed, to the right of what happens; no row is half full."""
    across = min(3, len(states))
    moments = []
    for now in states.unbind(dim=1):
        both = torch.cat([world.render(now), goals // 2 + 40], dim=2)
        rows = [torch.cat(list(row), dim=1) for row in both.split(across) if len(row) == across]
        moments.append(torch.cat(rows))
    return torch.stack(moments)


def read_picture(path: Path, world: World) -> UInt8[Tensor, "h w 3"]:
    """A picture of a goal, as large as the world draws. Raises ValueError for a file that is no picture."""
    height, width = world.render(world.start(torch.zeros(1, dtype=torch.int64))).shape[1:3]
    try:
        with Image.open(path) as opened:
            return torch.from_numpy(np.array(opened.convert("RGB").resize((width, height))))
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a picture of a goal: {error}") from None


def towards(
    suite: GoalReaching, loaded: Loaded, goal: UInt8[Tensor, "h w 3"], seed: int
) -> tuple[Float[Tensor, "t k"], tuple[float, float]]:
    """Plans from the start of `seed` to what a picture shows, for the whole budget.

    Gives the states passed through, and the distance of the model's latents from that of the goal at the start and at
    the end. Nobody knows what the body feels at the goal: what it feels at the start stands there, and is not asked for
    by the cost. Raises ValueError for a run that does not plan.
    """
    if not isinstance(loaded.method, WorldModel):
        raise ValueError("a picture of a goal is planned for by a world model, and this run cloned behavior")
    world, see, timing = suite.simulator, loaded.pictures, suite.planning.timing
    states, done = [world.start(torch.tensor([seed]))], [torch.zeros(1, 0, len(world.low))]
    felt = world.proprio(states[0])[:, None]
    wanted = Observation(see.transform(goal.permute(2, 0, 1))[None, :, None], felt if felt.shape[-1] else None)
    planning = replace(suite.planning, cost=seen_alone(suite.planning.cost))
    pursuit = Controller(loaded.method, planning, suite.space, device=loaded.device).begin(wanted, [seed])

    def seen() -> Observation:
        return see(Moments(world, torch.stack(states, dim=1), torch.cat(done, dim=1)), timing)

    def far() -> float:
        with torch.no_grad():
            latents = [loaded.method.encode(moved(each, loaded.device)).latent for each in (seen(), wanted)]
        return float((latents[0] - latents[1]).square().mean())

    before = far()
    while len(states) <= suite.budget:
        for action in pursuit(seen()).unbind(dim=1):
            states.append(world.step(states[-1], action))
            done.append(action.unsqueeze(1))
    return torch.stack(states, dim=1)[0], (before, far())


def seen_alone(cost: Reach) -> Reach:
    """The same cost of what is seen, and none of what is felt."""
    return replace(cost, seen=cost.seen or 1.0, felt=0.0, places=None, scales=None)
