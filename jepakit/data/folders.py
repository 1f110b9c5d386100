"""Pictures as files in a folder, with or without a folder per part and per class."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import UInt8
from torch import Tensor

from jepakit.data.decode import SUFFIXES, read_file
from jepakit.data.sources import TRAIN, Listing, part_of


class Folder:
    """Picture files below a folder, decoded when they are read."""

    def __init__(self, root: Path, listing: Listing) -> None:
        self.listing = listing
        self._root = root

    def read(self, row: int) -> UInt8[Tensor, "c h w"]:
        """The decoded file. Raises BrokenSample."""
        name = self.listing.names[row]
        return read_file(self._root / name, name)


def open_folder(root: Path) -> Folder:
    """The pictures below `root`, sorted by path.

    Folders called train, val or test at the top are parts. Two or more folders inside (of the part, or of the root)
    that hold all pictures are classes; pictures beside them mean that the folders are no classes. Hidden files and
    those without a picture's suffix are passed over, the latter with a note. Raises ValueError if nothing is left.
    """
    found = sorted(_walk(root), key=lambda entry: entry.name)
    names = [entry.name for entry in found if entry.picture]
    if not names:
        raise ValueError(f"{root} holds no pictures; they are known by their suffix: {', '.join(sorted(SUFFIXES))}")
    places = [PurePosixPath(name).parts for name in names]
    part_codes = [part_of(place[0]) if len(place) > 1 else None for place in places]
    has_parts = None not in part_codes and TRAIN in part_codes
    inside = [place[1:] for place in places] if has_parts else places
    labels, classes = _classes(inside)
    others = len(found) - len(names)
    notes = (_passed_over(others, root.name),) if others else ()
    parts = torch.tensor([code or 0 for code in part_codes]) if has_parts else None
    return Folder(root, Listing(names, labels, classes, parts, notes=notes))


@dataclass(frozen=True)
class _Entry:
    name: str
    picture: bool


def _walk(root: Path) -> Iterator[_Entry]:
    """Files below `root`. A folder called like a picture counts as one, so that it is reported instead of lost."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = prefix + entry.name
                picture = os.path.splitext(entry.name)[1].lower() in SUFFIXES
                if entry.is_dir(follow_symlinks=False) and not picture:
                    pending.append(name + "/")
                else:
                    yield _Entry(name, picture)


def _classes(inside: list[tuple[str, ...]]) -> tuple[Tensor | None, tuple[str, ...] | None]:
    if any(len(place) < 2 for place in inside):
        return None, None
    classes = tuple(sorted({place[0] for place in inside}))
    if len(classes) < 2:
        return None, None
    number = {name: index for index, name in enumerate(classes)}
    return torch.tensor([number[place[0]] for place in inside]), classes


def _passed_over(count: int, where: str) -> str:
    if count == 1:
        return f"1 file below {where} was passed over: its suffix is not a picture's"
    return f"{count} files below {where} were passed over: their suffixes are not a picture's"
