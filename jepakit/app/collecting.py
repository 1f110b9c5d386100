"""`jepakit collect`: episodes of a policy in a world, written to a folder that `Trajectories` reads."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.progress import Progress

from jepakit.config import Config
from jepakit.contracts import World
from jepakit.data.trajectory_files import Manifest, write_episodes
from jepakit.worlds.arm.policy import ArmPolicy
from jepakit.worlds.collect import Collector
from jepakit.worlds.listing import WORLDS
from jepakit.worlds.policies import Expert, Mixture, Policy, RandomWalk, Uniform

POLICIES: dict[str, Config] = {
    "uniform": Uniform(),
    "walk": RandomWalk(),
    "confined": RandomWalk(confined=True),
    "expert": Expert(),
    "mixture": Mixture(policies=(RandomWalk(), Expert())),
    "arm": ArmPolicy(),
}
"""Who may act, by the name on the command line: anything at all, a walk that goes on as it went, one that passes no
door, somebody who knows the way but for noise, half of these and half of those, and the errands of an arm."""


def collect(
    world: Config, policy: Config, episodes: int, steps: int, seed: int, out: Path, say: Callable[[str], None] = print
) -> Manifest:
    """Plays what is missing of the episodes, with a bar of progress, and says what is there.

    Raises ValueError for numbers below 1, a policy that cannot act in the world, or a folder that holds something else.
    """
    if min(episodes, steps) < 1:
        raise ValueError(f"episodes and steps are 1 or more, got {episodes} and {steps}")
    there = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ValueError(f"{out} is no folder to write episodes to: {there} is a file")
    played, acting = world.build(), policy.build()
    if not isinstance(played, World) or not isinstance(acting, Policy):
        raise ValueError(f"{type(world).__name__} is no world, or {type(policy).__name__} no policy, to collect with")
    about = {"world": world.to_json(), "policy": policy.to_json(), "steps": steps, "seed": seed}
    collector = Collector(played, acting, steps, seed)
    try:
        with Progress(transient=True) as bar:
            task = bar.add_task("episodes", total=episodes)
            manifest = write_episodes(
                out, episodes, collector, about, lambda done, total: bar.update(task, completed=done, total=total)
            )
    finally:
        if there != out.absolute():
            remove_empty(out)
    moments = sum(entry.moments for entry in manifest.episodes.values())
    megabytes = sum(entry.bytes for entry in manifest.episodes.values()) / 1e6
    say(f"{len(manifest.episodes)} episodes, {moments:,} moments, {megabytes:,.0f} MB: {out}")
    return manifest


def remove_empty(out: Path) -> None:
    """Takes back a folder that nothing was written to: what was refused leaves nothing behind."""
    with suppress(OSError):  # what holds something stays
        (out / "episodes").rmdir()
        out.rmdir()


def named_world(name: str) -> Config:
    """The world that is called so. Raises ValueError with those that there are."""
    if name not in WORLDS:
        raise ValueError(f"there is no world {name!r}; there are {', '.join(WORLDS)}")
    return WORLDS[name]


def named_policy(name: str) -> Config:
    """The policy that is called so. Raises ValueError with those that there are."""
    if name not in POLICIES:
        raise ValueError(f"there is no policy {name!r}; there are {', '.join(POLICIES)}")
    return POLICIES[name]
