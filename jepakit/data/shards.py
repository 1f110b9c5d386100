"""Files in tar shards, as WebDataset lays them out: those of one sample share their name up to the first dot.

Headers are indexed once; a member is then read at its offset, nothing is ever unpacked.
"""

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from jepakit.contracts import BrokenSample
from jepakit.data.arrays import number_labels
from jepakit.data.decode import SUFFIXES, decode
from jepakit.data.sources import Listing, parts_of_files

# Rows that a shuffle mixes: as many as a usual shard of WebDataset's buffers, so that reading stays near one place.
_WINDOW = 4096


class Shards:
    """Members of tar files, read at their offsets."""

    def __init__(self, paths: list[Path], members: "list[_Member]", listing: Listing) -> None:
        self.listing = listing
        self._paths = [str(path) for path in paths]
        self._shards = [member.shard for member in members]
        self._offsets = np.array([member.offset for member in members], dtype=np.int64)
        self._sizes = np.array([member.size for member in members], dtype=np.int64)

    def read(self, row: int) -> UInt8[Tensor, "c h w"]:
        """The decoded member. Raises BrokenSample."""
        return decode(self.read_bytes(row), self.listing.names[row])

    def read_bytes(self, row: int) -> bytes:
        """The member as it is stored. Raises BrokenSample."""
        name, size = self.listing.names[row], int(self._sizes[row])
        try:
            with open(self._paths[self._shards[row]], "rb", buffering=0) as file:
                data = os.pread(file.fileno(), size, int(self._offsets[row]))
        except OSError as error:
            raise BrokenSample(f"{name}: its shard cannot be read: {error.strerror or error}") from None
        if len(data) < size:
            raise BrokenSample(f"{name}: its shard ends within it")
        return data


def open_shards(paths: list[Path], suffixes: frozenset[str] = SUFFIXES, kind: str = "picture") -> Shards:
    """The members of these tar files that are known as a `kind` by their suffix, in the order given.

    The label is the number in NAME.cls, or "label" in NAME.json; a set has labels if every sample has one. Raises
    ValueError for compressed or broken tars, and for members that are links or would leave their folder.
    """
    members = [member for shard, path in enumerate(paths) for member in _index(shard, path, suffixes)]
    found = [member for member in members if member.size >= 0]
    if not found:
        raise ValueError(f"{paths[0]} holds no {kind}s; members are known by their suffix: {', '.join(suffixes)}")
    known = [member.label for member in found if member.label is not None]
    labels, classes, notes = None, None, ()
    if len(known) == len(found):
        labels, classes = number_labels(np.asarray(known))
    elif known:
        notes = (f"{len(found) - len(known)} of {len(found)} {kind}s have no label, so labels are left aside",)
    shards = torch.tensor([member.shard for member in found])
    parts = parts_of_files(paths)
    listing = Listing(
        [f"{paths[member.shard].name}/{member.key}" for member in found],
        labels,
        classes,
        None if parts is None else parts[shards],
        shards,
        _WINDOW,
        notes,
    )
    return Shards(paths, found, listing)


@dataclass
class _Member:
    """A sample of a shard; `size` is -1 until its file is met."""

    shard: int
    key: str
    offset: int = 0
    size: int = -1
    label: int | str | None = field(default=None)


def _index(shard: int, path: Path, suffixes: frozenset[str]) -> list[_Member]:
    samples: dict[str, _Member] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for info in _safe_files(archive, path):
                folder, _, name = info.name.rpartition("/")
                stem, _, suffix = name.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                sample = samples.setdefault(key, _Member(shard, key))
                if f".{suffix.lower()}" in suffixes:
                    sample.offset, sample.size = info.offset_data, info.size
                elif suffix in ("cls", "json"):
                    content = archive.extractfile(info)
                    sample.label = _label(content.read() if content else b"", suffix, f"{path.name}/{info.name}")
    except (tarfile.TarError, OSError) as error:
        raise ValueError(f"{path} is not an uncompressed tar file that can be read to its end: {error}") from None
    return list(samples.values())


def _safe_files(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    for info in archive:
        place = PurePosixPath(info.name)
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{path} holds the member {info.name!r}, which would leave its folder; it is not read")
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            raise ValueError(f"{path} holds the member {info.name!r}, which is a link or no plain file; it is not read")
        yield info


def _label(data: bytes, suffix: str, name: str) -> int | str | None:
    try:
        if suffix == "cls":
            return int(data)
        found = json.loads(data)
    except ValueError:
        raise ValueError(
            f"{name} should hold {'a number' if suffix == 'cls' else 'JSON'}, it has {data[:40]!r}"
        ) from None
    label = found.get("label") if isinstance(found, dict) else None
    return label if isinstance(label, int | str) else None
