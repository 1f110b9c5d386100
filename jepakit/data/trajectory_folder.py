"""Episodes of a folder of npz files, read window by window: the house format, or files that somebody else wrote."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float32, UInt8

from jepakit.contracts import BrokenSample
from jepakit.data.trajectory import MOMENTS, Numbers
from jepakit.data.trajectory_files import MANIFEST, damage_of, episode_path, read_manifest

_LOCAL_HEADER = 30
"""Bytes of a ZIP entry before its name, whose length and that of what follows it stand in the last four."""


@dataclass(frozen=True)
class Place:
    """Where an array lies in an npz file; `start` is None where it is compressed and has to be unpacked whole."""

    shape: tuple[int, ...]
    kind: np.dtype
    start: int | None

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.kind.itemsize


class FolderEpisodes:
    """The npz files under `root`: a `trajectory.Episodes`.

    With a manifest, its episodes; without one, every npz file in the folder, or in its folder "episodes". Raises
    ValueError where there is none.
    """

    def __init__(self, root: Path) -> None:
        self.names: list[str] = []
        self.lengths: list[int] = []
        self.broken: dict[str, str] = {}
        self._paths: list[Path] = []
        self._places: dict[int, dict[str, Place]] = {}
        self.notes = self._list_manifest(root) if (root / MANIFEST).exists() else self._list_files(root)

    def numbers(self, row: int) -> Numbers:
        """Everything but the pictures. Raises BrokenSample."""
        places = self._layout(row)
        found = {key: self._whole(row, key) for key in ("actions", "proprio", "states") if key in places}
        return Numbers(**found)

    def frames(self, row: int, moments: range) -> UInt8[np.ndarray, "t h w c"]:
        """The pictures of these moments: one read of the part of the file that holds them. Raises BrokenSample."""
        place = self._layout(row)["frames"]
        if place.start is None:
            return self._unpack(row, "frames")[moments.start : moments.stop : moments.step]
        first, last = moments[0], moments[-1]
        part = self._read(row, place, first, last + 1 - first)
        return part[:: moments.step]

    def _list_manifest(self, root: Path) -> tuple[str, ...]:
        manifest = read_manifest(root)
        for name, entry in sorted(manifest.episodes.items()):
            path = episode_path(root, name)
            if (damage := damage_of(path, entry, content=False)) is not None:
                self.broken[name] = damage
                continue
            self._add(name, path, entry.moments)
        if manifest.is_complete:
            return ()
        return (f"{len(manifest.episodes)} of the {manifest.asked} episodes were collected; collect again to go on",)

    def _list_files(self, root: Path) -> tuple[str, ...]:
        folder = root / "episodes" if (root / "episodes").is_dir() else root
        paths = sorted(folder.glob("*.npz"))
        if not paths:
            raise ValueError(f"{folder} holds no npz files, so there are no episodes")
        compressed = 0
        for path in paths:
            try:
                places = _layout_of(path)
            except BrokenSample as error:
                self.broken[path.stem] = str(error)
                continue
            compressed += places["frames"].start is None
            self._places[len(self.names)] = places
            self._add(path.stem, path, places["frames"].shape[0])
        return (f"{compressed} episodes are compressed, which makes reading slow",) if compressed else ()

    def _add(self, name: str, path: Path, moments: int) -> None:
        self.names.append(name)
        self._paths.append(path)
        self.lengths.append(moments)

    def _layout(self, row: int) -> Mapping[str, Place]:
        if row not in self._places:
            self._places[row] = _layout_of(self._paths[row])
        return self._places[row]

    def _whole(self, row: int, key: str) -> Float32[np.ndarray, "t k"]:
        place = self._layout(row)[key]
        values = self._unpack(row, key) if place.start is None else self._read(row, place, 0, place.shape[0])
        return values.astype(np.float32, copy=False)

    def _read(self, row: int, place: Place, first: int, count: int) -> np.ndarray:
        assert place.start is not None
        wanted = count * place.row_bytes
        content = bytearray(wanted)
        try:
            with self._paths[row].open("rb", buffering=0) as file:
                file.seek(place.start + first * place.row_bytes)
                got = file.readinto(content)
        except OSError as error:
            raise BrokenSample(f"{self._paths[row]}: it cannot be read: {error.strerror or error}") from None
        if got != wanted:
            raise BrokenSample(f"{self._paths[row]}: the file ends before its arrays do")
        return np.frombuffer(content, place.kind).reshape(count, *place.shape[1:])

    def _unpack(self, row: int, key: str) -> np.ndarray:
        try:
            with np.load(self._paths[row]) as arrays:
                return arrays[key]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise BrokenSample(f"{self._paths[row]}: it cannot be read: {error}") from None


def _layout_of(path: Path) -> dict[str, Place]:
    """Where the arrays of an episode lie in its file. Raises BrokenSample."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            places = {member.filename[:-4]: _place(file, archive, member) for member in members}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BrokenSample(f"{path}: it cannot be read: {error}") from None
    if missing := [key for key in ("frames", "actions") if key not in places]:
        raise BrokenSample(f"{path}: it has no {' and no '.join(missing)}")
    _require_sizes(path, places)
    return places


def _place(file: IO[bytes], archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Place:
    with archive.open(member) as opened:
        head = io.BytesIO(opened.read(4096))
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, kind = read(head)
    if kind.hasobject or not shape:
        raise ValueError(f"{member.filename} is not an array of numbers")
    if member.compress_type != zipfile.ZIP_STORED or is_fortran:
        return Place(shape, kind, None)
    file.seek(member.header_offset + _LOCAL_HEADER - 4)
    name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    return Place(shape, kind, member.header_offset + _LOCAL_HEADER + name + extra + head.tell())


def _require_sizes(path: Path, places: Mapping[str, Place]) -> None:
    """Raises BrokenSample where the arrays are not those of one episode."""
    frames = places["frames"]
    if frames.kind != np.uint8 or len(frames.shape) != 4 or frames.shape[3] not in (1, 3):
        raise BrokenSample(f"{path}: frames are uint8 [t h w c] with 1 or 3 channels, not {frames.kind} {frames.shape}")
    for key in ("actions", "proprio", "states"):
        wanted = frames.shape[0] - (key not in MOMENTS)
        if key in places and (len(places[key].shape) != 2 or places[key].shape[0] != wanted):
            raise BrokenSample(f"{path}: {frames.shape[0]} frames go with {wanted} {key}, not {places[key].shape}")
