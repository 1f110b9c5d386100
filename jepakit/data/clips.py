"""Opened videos, whatever they are stored as: a clock, and frames by number. Decoders of files stand beside it."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from jepakit.contracts import BrokenSample
from jepakit.data.decode import SUFFIXES, read_file
from jepakit.data.frames import Clock, Index

Frame = UInt8[Tensor, "c h w"]
Fit = Callable[[UInt8[Tensor, "c h w"]], UInt8[Tensor, "k s s"]]
Found = TypeVar("Found")
_DIGITS = re.compile(r"(\d+)")


@runtime_checkable
class Clip(Protocol):
    """A video that was opened for reading."""

    name: str

    @property
    def clock(self) -> Clock:
        """When each frame is shown; how many there are."""
        ...

    def frames(self, index: Sequence[int]) -> Iterator[UInt8[Tensor, "c h w"]]:
        """The frames with these numbers, which increase. Raises BrokenSample, or Recounted."""
        ...

    def close(self) -> None: ...


class Recounted(Exception):
    """The file holds other frames than it says: its `clock` has been corrected, and frames are to be chosen again."""


def read_clip(clip: Clip, choose: Callable[[Clock], Index], fit: Fit) -> UInt8[Tensor, "t k s s"]:
    """The frames that `choose` picks, each made fit as soon as it is there: large frames are never held all at once.

    Raises BrokenSample.
    """
    return read_again(clip, lambda: _collect(clip, _chosen(clip, choose), fit))


def read_again(clip: Clip, read: Callable[[], Found]) -> Found:
    """What `read` finds in the clip, once more where the file turned out to hold other frames than it says.

    Raises BrokenSample.
    """
    for _ in range(2):  # what was counted by decoding everything is not counted again
        with suppress(Recounted):
            return read()
    raise BrokenSample(f"{clip.name}: its frames cannot be counted: each pass over it finds another number")


def _chosen(clip: Clip, choose: Callable[[Clock], Index]) -> list[int]:
    try:
        return choose(clip.clock).tolist()
    except ValueError as error:
        raise BrokenSample(f"{clip.name}: {error}") from None


def _collect(clip: Clip, index: list[int], fit: Fit) -> UInt8[Tensor, "t k s s"]:
    fitted = dict(fit_frames(clip, sorted(set(index)), fit))
    return torch.stack([fitted[number] for number in index])


def fit_frames(clip: Clip, wanted: Sequence[int], fit: Fit) -> Iterator[tuple[int, UInt8[Tensor, "k s s"]]]:
    """The frames with these numbers, which increase, each made fit as it comes.

    Raises BrokenSample, also where frames change their size, or Recounted.
    """
    size: torch.Size | None = None
    for number, frame in zip(wanted, clip.frames(wanted), strict=True):
        if size is not None and frame.shape[1:] != size:
            was, now = ("x".join(str(side) for side in sides) for sides in (size, frame.shape[1:]))
            raise BrokenSample(f"{clip.name}: its frames change their size from {was} to {now}")
        size = frame.shape[1:]
        yield number, fit(frame)


class ArrayClip:
    """Frames of an array [t h w] or [t h w c]."""

    def __init__(self, array: np.ndarray, name: str, clock: Clock | None = None) -> None:
        self.name, self._array = name, array
        self.clock = clock or Clock(len(array))

    def frames(self, index: Sequence[int]) -> Iterator[UInt8[Tensor, "c h w"]]:
        """Copies of these frames."""
        for number in index:
            pixels = np.array(self._array[number])
            yield torch.from_numpy(pixels[:, :, None] if pixels.ndim == 2 else pixels).permute(2, 0, 1)

    def close(self) -> None:
        """Nothing is held open."""


class FilesClip:
    """Frames that are picture files: those of a folder, or one picture alone."""

    def __init__(self, paths: Sequence[Path], name: str, rate: float | None = None) -> None:
        if not paths:
            raise BrokenSample(f"{name}: the folder holds no pictures, so there are no frames")
        self.name, self._paths = name, paths
        starts = None if rate is None else torch.arange(len(paths), dtype=torch.float64) / rate
        self.clock = Clock(len(paths), starts)

    def frames(self, index: Sequence[int]) -> Iterator[UInt8[Tensor, "c h w"]]:
        """These pictures, decoded. Raises BrokenSample."""
        for number in index:
            path = self._paths[number]
            yield read_file(path, self.name if len(self._paths) == 1 else f"{self.name}/{path.name}")

    def close(self) -> None:
        """Nothing is held open."""


def frame_files(folder: Path, name: str) -> list[Path]:
    """The pictures in a folder in the order of their numbers, so that frame_10 comes after frame_9.

    Raises BrokenSample for a folder that cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if is_picture(entry.name) and not entry.name.startswith(".")]
    except OSError as error:
        raise BrokenSample(f"{name}: it cannot be read: {error.strerror or error}") from None
    return [folder / found for found in sorted(names, key=by_numbers)]


def is_picture(name: str) -> bool:
    """Whether a file is known as a picture by its suffix."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def by_numbers(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers within names by their value."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]
