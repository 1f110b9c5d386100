"""What a network that does not learn makes of every frame, computed once: its world model then trains on numbers alone.

Frames are encoded one by one (`methods.world_model`), so a frame has the same latent in every window that it is in.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import BrokenSample
from jepakit.data.sources import Part
from jepakit.data.trajectories import Statistics, Trajectories, TrajectoryDataset
from jepakit.data.trajectory import Episodes
from jepakit.data.trajectory_open import open_trajectories
from jepakit.data.transforms import ImageTransform

See = Callable[[Float[Tensor, "b c t h w"]], Float[Tensor, "b t n d"]]
"""A network that sees every frame alone."""
VALUES, ABOUT = "latents.npy", "latents.json"


@dataclass(frozen=True, kw_only=True)
class Latents(Config):
    """The windows of `trajectories` with latents in place of pictures, which `write_latents` put into `folder`.

    Samples are those of `Trajectories` with "latents" [t n d] in place of "x". Watching for collapse needs pictures:
    a run on latents, whose network does not learn, has `watch.action` off.
    """

    trajectories: Trajectories
    folder: str

    @property
    def transform(self) -> ImageTransform:
        """What made the input of the network."""
        return self.trajectories.transform

    def build(self) -> "LatentDataset":
        """What is trained on: the windows of the train part."""
        return self.split("train")

    def split(self, part: Part, augmented: bool = False) -> "LatentDataset":
        """The windows of one part."""
        found = open_trajectories(Path(self.trajectories.root), self.trajectories.camera)
        return LatentDataset(self, found, self.trajectories.rows(found, part), part)

    def statistics(self) -> Statistics:
        """Mean and deviation of what is done and felt in the train part."""
        return self.trajectories.statistics()

    def notes(self) -> list[str]:
        """What a user should know of the data."""
        return self.trajectories.notes()


class LatentDataset(TrajectoryDataset):
    """Windows of latents: a `contracts.Dataset`. Raises ValueError where they are not those of these episodes."""

    def __init__(self, config: Latents, episodes: Episodes, rows: Sequence[int], part: Part) -> None:
        super().__init__(config.trajectories, episodes, rows, part)
        folder = Path(config.folder)
        if not (folder / ABOUT).exists():
            raise ValueError(f"{folder} holds no latents; write_latents puts them there, with the network that sees")
        if (found := _read_about(folder)["episodes"]) != _described(config.trajectories, episodes)["episodes"]:
            raise ValueError(
                f"{folder} holds latents of {len(found)} episodes that are not those of {config.trajectories.root}; "
                "write them again"
            )
        self._begins = _begins(episodes)
        self._latents: Float[np.ndarray, "m n d"] = np.load(folder / VALUES, mmap_mode="r")

    def _seen(self, row: int, moments: range) -> dict[str, Tensor]:
        first = int(self._begins[row])
        found = self._latents[first + moments.start : first + moments.stop : moments.step]
        if np.isnan(found[:, 0, 0]).any():
            raise BrokenSample(f"{self._episodes.names[row]}: its pictures could not be read when latents were made")
        return {"latents": torch.from_numpy(found.astype(np.float32))}


def write_latents(config: Latents, see: See, origin: Mapping[str, Any], batch: int = 64) -> bool:
    """Writes what `see` makes of every frame, unless the same is there already; says whether it wrote.

    `origin` tells the network apart from others (plain values): a checksum of its weights will do. Latents appear
    whole, or not at all. Episodes that cannot be read become numbers that are none, which the data set names.
    """
    if batch < 1:
        raise ValueError(f"batch is 1 frame or more, got {batch}")
    episodes = open_trajectories(Path(config.trajectories.root), config.trajectories.camera)
    about = json.loads(json.dumps({"origin": dict(origin), **_described(config.trajectories, episodes)}))
    folder = Path(config.folder)
    if (folder / ABOUT).exists() and _read_about(folder) == about:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)
    aside, begins, written = folder / f".{VALUES}", _begins(episodes), None
    for row, moments in enumerate(episodes.lengths):
        found = _encode(config.trajectories, episodes, row, see, batch)
        if found is None:
            continue
        if written is None:
            shape = (int(begins[-1]), *found.shape[1:])
            written = np.lib.format.open_memmap(aside, mode="w+", dtype=np.float32, shape=shape)
            written[:] = np.nan
        written[begins[row] : begins[row] + moments] = found
    if written is None:
        raise ValueError(f"{config.trajectories.root}: none of its episodes can be read")
    written.flush()
    os.replace(aside, folder / VALUES)
    (folder / ABOUT).write_text(json.dumps(about) + "\n")
    return True


def _encode(
    config: Trajectories, episodes: Episodes, row: int, see: See, batch: int
) -> Float[np.ndarray, "t n d"] | None:
    """The latents of an episode, None where it cannot be read."""
    length = episodes.lengths[row]
    try:
        clips = [
            config.picture(episodes, row, range(first, min(first + batch, length))) for first in range(0, length, batch)
        ]
    except BrokenSample:
        return None
    with torch.no_grad():
        return torch.cat([see(clip.unsqueeze(0))[0] for clip in clips]).float().cpu().numpy()


def _described(config: Trajectories, episodes: Episodes) -> dict[str, Any]:
    """What latents depend on besides the network."""
    named = dict(zip(episodes.names, map(int, episodes.lengths), strict=True))
    return {"episodes": named, "transform": config.transform.to_json(), "camera": config.camera}


def _begins(episodes: Episodes) -> np.ndarray:
    """At which row of the latents each episode begins; one more for the end."""
    return np.cumsum([0, *episodes.lengths], dtype=np.int64)


def _read_about(folder: Path) -> dict[str, Any]:
    """What lies in a folder. Raises ValueError for a file that cannot be read."""
    try:
        found = json.loads((folder / ABOUT).read_text())
        return found if "episodes" in found else {**found, "episodes": {}}
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{folder / ABOUT} does not say what latents these are: {error}") from None
