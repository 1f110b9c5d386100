"""Files in a folder, with or without a folder per part and per class: pictures here, others by `list_files`."""

import os
from collections.abc import Iterator, Sequence
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
    """The pictures below `root`, as `list_files` finds them. Raises ValueError if there are none."""
    return Folder(root, list_files(root, SUFFIXES, "picture"))


def list_files(root: Path, suffixes: frozenset[str], kind: str) -> Listing:
    """The files below `root` that are known as a `kind` by their suffix, sorted by path.

    Folders called train, val or test at the top are parts. Two or more folders inside (of the part, or of the root)
    that hold all files are classes; files beside them mean that the folders are no classes. Hidden files and those
    without such a suffix are passed over, the latter with a note. Raises ValueError if nothing is left.
    """
    found = sorted(_walk(root, suffixes), key=lambda entry: entry.name)
    names = [entry.name for entry in found if entry.known]
    if not names:
        raise ValueError(f"{root} holds no {kind}s; they are known by their suffix: {', '.join(sorted(suffixes))}")
    others = len(found) - len(names)
    return arrange(names, (_passed_over(others, root.name, kind),) if others else ())


def arrange(names: Sequence[str], notes: tuple[str, ...] = ()) -> Listing:
    """A listing of paths below a root, whose folders name parts and classes where they can (see `list_files`)."""
    places = [PurePosixPath(name).parts for name in names]
    part_codes = [part_of(place[0]) if len(place) > 1 else None for place in places]
    has_parts = None not in part_codes and TRAIN in part_codes
    labels, classes = _classes([place[1:] for place in places] if has_parts else places)
    parts = torch.tensor([code or 0 for code in part_codes]) if has_parts else None
    return Listing(names, labels, classes, parts, notes=notes)


@dataclass(frozen=True)
class _Entry:
    name: str
    known: bool


def _walk(root: Path, suffixes: frozenset[str]) -> Iterator[_Entry]:
    """Files below `root`. A folder called like one counts as one, so that it is reported instead of lost."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = prefix + entry.name
                known = os.path.splitext(entry.name)[1].lower() in suffixes
                if entry.is_dir(follow_symlinks=False) and not known:
                    pending.append(name + "/")
                else:
                    yield _Entry(name, known)


def _classes(inside: Sequence[tuple[str, ...]]) -> tuple[Tensor | None, tuple[str, ...] | None]:
    if any(len(place) < 2 for place in inside):
        return None, None
    classes = tuple(sorted({place[0] for place in inside}))
    if len(classes) < 2:
        return None, None
    number = {name: index for index, name in enumerate(classes)}
    return torch.tensor([number[place[0]] for place in inside]), classes


def _passed_over(count: int, where: str, kind: str) -> str:
    if count == 1:
        return f"1 file below {where} was passed over: its suffix is not a {kind}'s"
    return f"{count} files below {where} were passed over: their suffixes are not a {kind}'s"
