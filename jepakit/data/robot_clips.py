"""Clips of robots as data to learn from: gathered from takes, parted by seed, and kept apart by camera.

`gather` writes a folder that needs no simulator: an array of clips for each camera, which `Videos` reads as well, and
a table with a row for each take.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from jepakit.config import Config
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.cuts import Cut, MiddleClip, RandomClip
from jepakit.data.fetch import cache_folder
from jepakit.data.frames import Sampling
from jepakit.data.robot_takes import FRAMES, SIZE, Take, list_takes, read_take
from jepakit.data.sources import PARTS, TEST, TRAIN, VALIDATION, Listing, Part
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.video_sources import VideoArrays
from jepakit.data.videos import VideoDataset

CAMERAS, HELD_OUT_CAMERA = ("left", "right"), "high"
VALIDATION_FROM, TEST_FROM = 21, 24
"""Seeds from which on takes belong to these parts; what is before is trained on."""
SCENES: tuple[tuple[str, ...], ...] = (
    ("assembly", "disassemble"),
    ("coffee-button", "coffee-pull", "coffee-push"),
    ("door-close", "door-open"),
    ("door-lock", "door-unlock"),
    ("drawer-close", "drawer-open"),
    ("faucet-close", "faucet-open"),
    ("hand-insert", "sweep-into"),
    ("handle-press", "handle-pull"),
    ("handle-press-side", "handle-pull-side"),
    ("pick-place", "push", "reach"),
    ("pick-place-wall", "push-wall", "reach-wall"),
    ("plate-slide", "plate-slide-back"),
    ("plate-slide-back-side", "plate-slide-side"),
    ("stick-pull", "stick-push"),
    ("window-close", "window-open"),
)
"""Tasks that are done with the same things: at the start these may stand otherwise, but nothing is missing or added."""
ROBOT_CLIP = ClipTransform(
    sampling=Sampling(frames=FRAMES, step=1, policy="uniform"), picture=ImageTransform(size=SIZE), tubelet=2
)


@dataclass(frozen=True, kw_only=True)
class RobotClips(Config):
    """Clips of tasks, labeled by task. Training and test differ in seed; ask for other cameras to differ there, too.

    `folder` is where `gather` put them, None the place where the experts of Meta-World are. Takes in which the task was
    not done are left out. `tasks` keeps some tasks only, such as those of a scene (`SCENES`).
    """

    folder: str | None = None
    cameras: tuple[str, ...] = CAMERAS
    tasks: tuple[str, ...] | None = None
    transform: ClipTransform = ROBOT_CLIP
    augment: RandomResizedCrop | None = None

    def __post_init__(self) -> None:
        if self.augment is not None and self.augment.flip:
            raise ValueError("what opens a window closes the mirrored one; set augment.flip to False")
        if not self.cameras:
            raise ValueError(f"name at least one camera, such as {CAMERAS[0]!r}")

    def build(self) -> VideoDataset:
        """What is pretrained on: all clips of these tasks and cameras outside of the test part, augmented."""
        return self._dataset(self._parts != TEST, RandomClip(self.transform, self.augment))

    def split(self, part: Part, augmented: bool = False) -> VideoDataset | None:
        """The clips of one part, not augmented unless asked for; None if there are none."""
        cut = RandomClip(self.transform, self.augment) if augmented else MiddleClip(self.transform)
        found = self._dataset(self._parts == PARTS.index(part), cut)
        return found if len(found) else None

    def notes(self) -> list[str]:
        """What a user should know of the data."""
        failed = self._table.num_rows - len(self._done)
        return [
            f"seeds from {TEST_FROM} on are the test part, the {TEST_FROM - VALIDATION_FROM} before are validation",
            f"{failed} of {self._table.num_rows} takes are left out, for the task was not done in them",
        ]

    def _dataset(self, chosen: Bool[Tensor, "n"], cut: Cut) -> VideoDataset:
        source = self._source
        assert source.listing.labels is not None
        rows = torch.nonzero(chosen.repeat(len(self.cameras)) & (source.listing.labels >= 0))[:, 0]
        return VideoDataset(source, source.listing, rows, cut)

    @property
    def _place(self) -> Path:
        return robot_folder() if self.folder is None else Path(self.folder)

    @cached_property
    def _table(self) -> pa.Table:
        return read_table(self._place)

    @cached_property
    def _done(self) -> list[tuple[str, int]]:
        """Task and seed of the takes that there are clips of."""
        done = self._table.filter(self._table["success"])
        return list(zip(done["task"].to_pylist(), done["seed"].to_pylist(), strict=True))

    @cached_property
    def _parts(self) -> Int[Tensor, "n"]:
        return torch.tensor([part_of_seed(seed) for _, seed in self._done])

    @cached_property
    def _source(self) -> VideoArrays:
        """All clips of all cameras; -1 is the label of those whose task was not asked for."""
        known = sorted({task for task, _ in self._done})
        classes = self.tasks or tuple(known)
        if missing := [task for task in classes if task not in known]:
            raise ValueError(f"{self._place} has no clips of {', '.join(missing)}; it has {', '.join(known)}")
        number = {task: label for label, task in enumerate(classes)}
        labels = torch.tensor([number.get(task, -1) for task, _ in self._done]).repeat(len(self.cameras))
        names = [f"{task} {seed}, {camera}" for camera in self.cameras for task, seed in self._done]
        arrays = [_open_clips(self._place, camera, len(self._done)) for camera in self.cameras]
        return VideoArrays(arrays, Listing(names, labels, classes), None)


def robot_folder() -> Path:
    """Where clips of the experts of Meta-World are kept unless told otherwise."""
    return cache_folder() / "metaworld"


def part_of_seed(seed: int) -> int:
    """The index of the part in `PARTS`."""
    return TEST if seed >= TEST_FROM else VALIDATION if seed >= VALIDATION_FROM else TRAIN


def gather(folder: Path) -> pa.Table:
    """Writes "CAMERA.npy", the clips [n t h w 3] of all takes in which the task was done, and "table.parquet".

    The table has a row for each take, in the order of task and seed; rows with success are those of the arrays.
    "gripper" holds x, y, z and opening, "objects" x, y, z of two objects, both for each frame. Raises ValueError if
    there are no takes, or if they were not filmed alike.
    """
    takes = [read_take(path) for path in list_takes(folder)]
    if not takes:
        raise ValueError(f"{folder} holds no takes; film some first: python -m benchmarks.metaworld_clips")
    cameras, shape = takes[0].cameras, takes[0].clips.shape
    if other := [take for take in takes if take.cameras != cameras or take.clips.shape != shape]:
        raise ValueError(
            f"{folder}: {other[0].task} {other[0].seed} was filmed otherwise than {takes[0].task} {takes[0].seed}; "
            "delete the older takes and film them again"
        )
    done = [take for take in takes if take.success]
    for number, camera in enumerate(cameras):
        _save_clips(folder / f"{camera}.npy", [take.clips[number] for take in done])
    table = _tabulate(takes)
    beside = folder / f".table.{os.getpid()}"
    parquet.write_table(table, beside)
    os.replace(beside, folder / "table.parquet")
    return table


def read_table(folder: Path) -> pa.Table:
    """The table that `gather` wrote. Raises ValueError if there is none."""
    try:
        return parquet.read_table(folder / "table.parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(
            f"{folder} has no table of robot clips that can be read ({error}); film the clips first: "
            "MUJOCO_GL=osmesa python -m benchmarks.metaworld_clips"
        ) from None


def _tabulate(takes: Sequence[Take]) -> pa.Table:
    return pa.table(
        {
            "task": [take.task for take in takes],
            "seed": [take.seed for take in takes],
            "part": [PARTS[part_of_seed(take.seed)] for take in takes],
            "success": [take.success for take in takes],
            "steps": [take.steps for take in takes],
            "gripper": [take.gripper.tolist() for take in takes],
            "objects": [take.objects.tolist() for take in takes],
        }
    )


def _save_clips(path: Path, clips: Sequence[np.ndarray]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        np.save(file, np.stack(clips))
    os.replace(beside, path)


def _open_clips(folder: Path, camera: str, count: int) -> np.ndarray:
    path = folder / f"{camera}.npy"
    if not path.exists():
        known = sorted(found.stem for found in folder.glob("*.npy"))
        raise ValueError(f"{folder} has no clips of a camera {camera!r}; it has {', '.join(known)}")
    clips = np.load(path, mmap_mode="r", allow_pickle=False)
    if len(clips) != count:
        raise ValueError(f"{path} holds {len(clips)} clips, its table names {count}; gather them again")
    return clips
