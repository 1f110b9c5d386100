"""Episodes as Minari stores them: groups `episode_0`, ... with `observations` of t moments and t-1 `actions`.

Observations are one array, or a group of them. The one of bytes [t h w c] is what is seen, those of numbers [t k] are
what is felt, side by side in the order of their names.
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jepakit.contracts import BrokenSample
from jepakit.data.trajectory import Numbers
from jepakit.data.trajectory_hdf5 import Handle, groups_of, h5py

FILE = "data/main_data.hdf5"
"""Where the episodes lie in a data set of Minari."""


class MinariEpisodes:
    """The episodes of a file of Minari: a `trajectory.Episodes`.

    `camera` names the pictures where there are several. Raises ValueError where there are none.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, camera: str | None = None) -> None:
        self._handle = Handle(path)
        self.names: list[str] = []
        self.lengths: list[int] = []
        self.broken: dict[str, str] = {}
        groups = [(name, group) for name, group in groups_of(self._handle) if "observations" in group]
        if not groups:
            raise ValueError(f"{path} holds no episodes: no group has observations")
        self._seen, self._felt = _roles(groups[0][1]["observations"], camera, path)
        for name, group in groups:
            moments = _moments(group, self._seen)
            if moments is None:
                self.broken[name] = "its observations are not one more than its actions"
                continue
            self.names.append(name)
            self.lengths.append(moments)

    def numbers(self, row: int) -> Numbers:
        """Everything but the pictures. Raises BrokenSample."""
        name = self.names[row]
        actions = self._handle.read(f"{name}/actions").astype(np.float32)
        felt = [self._handle.read(f"{name}/{place}").astype(np.float32) for place in self._felt]
        return Numbers(_flat(actions), np.concatenate([_flat(each) for each in felt], axis=1) if felt else None)

    def frames(self, row: int, moments: range) -> UInt8[np.ndarray, "t h w c"]:
        """The pictures of these moments. Raises BrokenSample."""
        place = f"{self.names[row]}/{self._seen}"
        found = self._handle.read(place, slice(moments.start, moments.stop, moments.step))
        if len(found) != len(moments):
            raise BrokenSample(f"{self.names[row]}: it has no frames for moments {moments.start} to {moments.stop}")
        return found


def _roles(observations: Any, camera: str | None, path: Path) -> tuple[str, list[str]]:
    """Where pictures and numbers stand in an episode."""
    arrays: dict[str, Any] = {}
    if isinstance(observations, h5py.Dataset):
        arrays["observations"] = observations
    else:
        observations.visititems(
            lambda name, each: arrays.update({f"observations/{name}": each} if isinstance(each, h5py.Dataset) else {})
        )
    pictures = [place for place, each in arrays.items() if each.dtype == np.uint8 and each.ndim == 4]
    felt = sorted(place for place, each in arrays.items() if each.dtype.kind == "f" and each.ndim <= 2)
    if camera is not None:
        pictures = [place for place in pictures if place.endswith(f"/{camera}")]
    if len(pictures) != 1:
        there = ", ".join(sorted(arrays))
        count = "several arrays of pictures; name one as camera" if pictures else "no pictures (uint8 [t h w c])"
        raise ValueError(f"{path}: its observations hold {count}, among {there}")
    return pictures[0], felt


def _moments(group: Any, seen: str) -> int | None:
    """How many moments an episode has; None where its parts do not fit together."""
    if seen not in group or "actions" not in group or len(group[seen]) != len(group["actions"]) + 1:
        return None
    return len(group[seen])


def _flat(values: np.ndarray) -> np.ndarray:
    """One row for each moment: a choice among a few actions is a number, too."""
    return values.reshape(len(values), -1)
