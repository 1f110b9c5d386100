"""Episodes of one HDF5 file, a group for each, with the arrays of `trajectory` by their names."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jepakit.contracts import BrokenSample
from jepakit.data.clips import by_numbers
from jepakit.data.trajectory import KEYS, MOMENTS, Arrays, Numbers, require_episode

try:
    import h5py
except ImportError:
    raise ImportError("HDF5 files are read by h5py: pip install 'jepakit[robots]'") from None


class Handle:
    """A file that is opened when it is needed, once in each process: HDF5 does not survive a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None
        self._process = -1

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_file": None, "_process": -1}

    def open(self) -> Any:
        """The h5py.File. Raises BrokenSample."""
        if self._process != os.getpid():
            try:
                self._file, self._process = h5py.File(self.path, "r"), os.getpid()
            except OSError as error:
                raise BrokenSample(f"{self.path}: it cannot be opened as HDF5: {error}") from None
        return self._file

    def close(self) -> None:
        """Closes the file; it is opened again when it is needed."""
        if self._process == os.getpid():
            self._file.close()
        self._file, self._process = None, -1

    def read(self, place: str, part: slice | tuple = ()) -> np.ndarray:
        """An array, or a part of it. Raises BrokenSample."""
        try:
            return self.open()[place][part]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise BrokenSample(f"{self.path}: {place} cannot be read: {error}") from None


class Hdf5Episodes:
    """The groups of a file that hold frames and actions: a `trajectory.Episodes`. Raises ValueError for none."""

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self._handle = Handle(path)
        self.names: list[str] = []
        self.lengths: list[int] = []
        self.broken: dict[str, str] = {}
        for name, group in groups_of(self._handle):
            wrong = _what_is_wrong(group)
            if wrong is None:
                self.names.append(name)
                self.lengths.append(len(group["frames"]))
            else:
                self.broken[name] = wrong
        if not self.names:
            raise ValueError(f"{path} holds no episodes: no group has frames and actions")

    def numbers(self, row: int) -> Numbers:
        """Everything but the pictures. Raises BrokenSample."""
        name = self.names[row]
        there = self._handle.open()[name]
        found = {key: self._handle.read(f"{name}/{key}") for key in KEYS[1:] if key in there}
        return Numbers(**{key: values.astype(np.float32) for key, values in found.items()})

    def frames(self, row: int, moments: range) -> UInt8[np.ndarray, "t h w c"]:
        """The pictures of these moments. Raises BrokenSample."""
        return self._handle.read(f"{self.names[row]}/frames", slice(moments.start, moments.stop, moments.step))


def groups_of(handle: Handle) -> list[tuple[str, Any]]:
    """The groups of a file in the order of the numbers in their names. Raises ValueError where it cannot be opened."""
    try:
        file = handle.open()
    except BrokenSample as error:
        raise ValueError(str(error)) from None
    return [(name, file[name]) for name in sorted(file, key=by_numbers) if isinstance(file[name], h5py.Group)]


def write_hdf5(path: Path, episodes: Iterable[Arrays], about: Mapping[str, str | int | float]) -> int:
    """Writes episodes to a file, with `about` as its attributes, and tells how many. Written aside and renamed.

    Raises ValueError for what is no episode.
    """
    aside, count = path.with_name(f".{path.name}"), 0
    with h5py.File(aside, "w") as file:
        file.attrs.update(about)
        for count, episode in enumerate(episodes, start=1):
            name = f"{count - 1:06d}"
            group = file.create_group(name)
            for key, values in require_episode(episode, name).items():
                # A chunk for each moment: a window is read without the rest.
                chunks = (1, *values.shape[1:]) if key == "frames" else None
                group.create_dataset(key, data=values, chunks=chunks)
    os.replace(aside, path)
    return count


def _what_is_wrong(group: Any) -> str | None:
    if missing := [key for key in ("frames", "actions") if key not in group]:
        return f"it has no {' and no '.join(missing)}"
    frames = group["frames"]
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] not in (1, 3):
        return f"frames are uint8 [t h w c] with 1 or 3 channels, not {frames.dtype} {frames.shape}"
    for key in KEYS[1:]:
        wanted = len(frames) - (key not in MOMENTS)
        if key in group and (group[key].ndim != 2 or len(group[key]) != wanted):
            return f"{len(frames)} frames go with {wanted} {key}, not {group[key].shape}"
    return None
