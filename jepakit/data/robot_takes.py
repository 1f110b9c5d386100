"""Takes: what a robot did once, filmed by several cameras, a file each, so that filming can be stopped and gone on."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8

FRAMES, SIZE = 16, 64


@dataclass(frozen=True)
class Take:
    """One episode of a task: `frames` moments evenly spread from its start to its end, seen by every camera.

    `gripper` holds the place of the gripper in meters and how far it is open, in [0, 1]; `objects` the places of up to
    two objects, zeros where a task has but one. `steps` is how long the episode took.
    """

    task: str
    seed: int
    success: bool
    steps: int
    cameras: tuple[str, ...]
    clips: UInt8[np.ndarray, "k t s s 3"]
    gripper: Float[np.ndarray, "t 4"]
    objects: Float[np.ndarray, "t 2 3"]

    def save(self, path: Path) -> None:
        """The take as a .npz file, which is there whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                np.savez_compressed(file, **asdict(self))
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


class Stage(Protocol):
    """A scene in which one task is done."""

    def record(self, seed: int) -> Take:
        """The take of this seed: a pure function of task and seed."""
        ...

    def close(self) -> None: ...


def read_take(path: Path) -> Take:
    """The take that `Take.save` wrote. Every byte is checked by the checksums of the archive. Raises ValueError."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return Take(
                str(kept["task"]), int(kept["seed"]), bool(kept["success"]), int(kept["steps"]),
                tuple(kept["cameras"].tolist()), kept["clips"], kept["gripper"], kept["objects"],
            )  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a whole take ({error}); delete it and record it again") from None


def take_path(folder: Path, task: str, seed: int) -> Path:
    """Where a take lies."""
    return folder / "takes" / task / f"{seed:04d}.npz"


def list_takes(folder: Path) -> list[Path]:
    """All takes below a folder, by task and seed."""
    return sorted((folder / "takes").glob("*/*.npz"))


def collect(
    folder: Path,
    tasks: Iterable[str],
    seeds: Iterable[int],
    open_stage: Callable[[str], Stage],
    tell: Callable[[str], None],
) -> list[str]:
    """Records what is missing below `folder` or is broken there, and names the takes in which the task was not done.

    `tell` hears a sentence for each task. A stage is opened only if one of its takes is missing.
    """
    failed, numbers = [], list(seeds)
    for task in tasks:
        missing = [seed for seed in numbers if not _is_whole(take_path(folder, task, seed), tell)]
        if missing:
            _record(folder, task, missing, open_stage)
        takes = [read_take(take_path(folder, task, seed)) for seed in numbers]
        lost = [f"{task} {take.seed}" for take in takes if not take.success]
        failed += lost
        tell(f"{task}: {len(missing)} takes recorded, {len(takes) - len(missing)} were there, {len(lost)} failed")
    return failed


def _is_whole(path: Path, tell: Callable[[str], None]) -> bool:
    if not path.exists():
        return False
    try:
        read_take(path)
    except ValueError as error:
        tell(f"recorded again: {error}")
        return False
    return True


def _record(folder: Path, task: str, seeds: list[int], open_stage: Callable[[str], Stage]) -> None:
    stage = open_stage(task)
    try:
        for seed in seeds:
            stage.record(seed).save(take_path(folder, task, seed))
    finally:
        stage.close()
