"""Raw episodes of DROID: folders with `trajectory.h5`, a `metadata_*.json` and `recordings/MP4/*.mp4`.

What was done is the difference of the poses before and after, as V-JEPA 2-AC has it (2506.09985, section 3.1): recorded
commands are not used. Proprio is the pose of the hand, x y z in meters, Euler angles xyz, and how far the gripper is
closed (`jepakit.poses`). V-JEPA 2-AC takes 4 frames a second of 15: `Trajectories(skip=4, blocks="poses")`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from jepakit import poses
from jepakit.contracts import BrokenSample
from jepakit.data.trajectory import Numbers
from jepakit.data.trajectory_hdf5 import Handle
from jepakit.data.trajectory_video import read_moments

FILE = "trajectory.h5"
_POSE, _GRIP = "observation/robot_state/cartesian_position", "observation/robot_state/gripper_position"
_SIDES = ("left", "ext1")
"""The camera to the left of the robot, as V-JEPA 2-AC's list and as DROID itself calls it."""


class DroidEpisodes:
    """The folders under `root` that hold a trajectory: a `trajectory.Episodes`.

    `camera` is what stands before `_mp4_path` in the metadata: "left", "right", "ext1", "ext2", "wrist"; the left
    one if not given. Raises ValueError where there is no episode.
    """

    notes: tuple[str, ...] = ("frames are decoded from video for every window; to train for long, rewrite them first",)

    def __init__(self, root: Path, camera: str | None = None) -> None:
        self._sides = _SIDES if camera is None else (camera,)
        self.names: list[str] = []
        self.lengths: list[int] = []
        self.broken: dict[str, str] = {}
        self._videos: list[Path] = []
        self._files: list[Path] = []
        for file in sorted(root.rglob(FILE)):
            name = file.parent.relative_to(root).as_posix()
            try:
                video, moments = self._video(file.parent), len(_poses(file))
            except BrokenSample as error:
                self.broken[name] = str(error)
                continue
            self.names.append(name)
            self.lengths.append(moments)
            self._videos.append(video)
            self._files.append(file)
        if not self.names:
            said = next(iter(self.broken.values()), f"there is no {FILE}")
            raise ValueError(f"{root} holds no episode of DROID that can be read: {said}")

    def numbers(self, row: int) -> Numbers:
        """Poses, and their differences as actions. Raises BrokenSample."""
        proprio = _poses(self._files[row])
        where = torch.from_numpy(proprio).double()
        return Numbers(poses.difference(where[:-1], where[1:]).float().numpy(), proprio)

    def frames(self, row: int, moments: range) -> UInt8[np.ndarray, "t h w c"]:
        """The pictures of these moments. Raises BrokenSample."""
        return read_moments(self._videos[row], moments)

    def _video(self, folder: Path) -> Path:
        """The film of the camera. Its metadata name it from the root of the whole of DROID, wherever that was."""
        found = [path for path in sorted(folder.glob("*.json")) if not path.name.startswith(".")]
        if not found:
            raise BrokenSample(f"{folder}: it has no metadata (*.json), so nobody knows which camera is which")
        metadata = _read_json(found[0])
        for side in self._sides:
            if isinstance(path := metadata.get(f"{side}_mp4_path"), str):
                return folder / "recordings" / "MP4" / Path(path).name
        cameras = sorted(key.removesuffix("_mp4_path") for key in metadata if key.endswith("_mp4_path"))
        raise BrokenSample(f"{found[0]}: it names no camera {' or '.join(self._sides)}; it has {cameras}")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BrokenSample(f"{path}: it cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BrokenSample(f"{path}: it holds no metadata")
    return found


def _poses(file: Path) -> Float32[np.ndarray, "t 7"]:
    """The poses of an episode. The file is closed again, for there are as many as episodes."""
    handle = Handle(file)
    try:
        place, grip = handle.read(_POSE), handle.read(_GRIP)
    finally:
        handle.close()
    if place.ndim != 2 or place.shape[1] != 6 or len(grip) != len(place):
        raise BrokenSample(f"{file}: poses are [t 6] and the gripper [t], not {place.shape} and {grip.shape}")
    return np.concatenate([place, grip.reshape(-1, 1)], axis=1).astype(np.float32)
