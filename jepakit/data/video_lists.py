"""Lists of videos: text files of "path label" lines, and .npy files of paths."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jepakit.data.video_files import is_still, is_video

LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".list", ".npy")
_SEPARATORS = ("::", "\t", ",", " ")
_HEADERS = frozenset(("clip", "file", "file_name", "filename", "filepath", "name", "path", "video", "video_path"))
Row = tuple[str, str | None]


def read_list(path: Path) -> tuple[list[str], list[int] | list[str] | None]:
    """The paths of a list as they are written, and their labels: numbers if all are, None if there are none.

    A line is a path, "::" or a tab or a comma or a space, and a label. All lines use the same separator: the first one
    of these after which every line has named a video, so they may stand in paths and in labels, too. A path may be
    quoted. Where paths have no suffix (folders of frames), the label is what comes after the last separator. A first
    line like "path,label" is passed over. Raises ValueError.
    """
    rows = _read_array(path) if path.suffix == ".npy" else _read_text(path)
    if not rows:
        raise ValueError(f"{path} is an empty list; each line of it should name a video, and its label if it has one")
    labels = [label for _, label in rows if label is not None]
    if not labels:
        return [name for name, _ in rows], None
    try:
        return [name for name, _ in rows], [int(label) for label in labels]
    except ValueError:
        return [name for name, _ in rows], labels


def is_list_of_paths(array: np.ndarray) -> bool:
    """Whether an array holds words, and so names videos instead of being them."""
    return array.dtype.kind in "US"


def _read_array(path: Path) -> list[Row]:
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be read as a list of paths ({error}); save plain strings: np.save(name, np.array(paths))"
        ) from None
    if not is_list_of_paths(found) or found.ndim not in (1, 2) or (found.ndim == 2 and found.shape[1] != 2):
        raise ValueError(
            f"{path} should hold words of shape [n] or [n 2] (path, label), not {found.dtype}{found.shape}"
        )
    words = np.char.decode(found, "utf-8", "surrogateescape") if found.dtype.kind == "S" else found
    return [(row, None) for row in words.tolist()] if words.ndim == 1 else [(row[0], row[1]) for row in words.tolist()]


def _read_text(path: Path) -> list[Row]:
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    if lines and _is_header(lines[0]):
        lines = lines[1:]
    if all(_is_media(line.strip('"')) for line in lines):
        return [(line.strip('"'), None) for line in lines]
    for separator in _SEPARATORS:
        rows = _split_all(lines, separator)
        if all(row is not None and _is_media(row[0]) for row in rows):
            return [row for row in rows if row is not None]
    if not any(separator in line for line in lines for separator in _SEPARATORS):
        return [(line.strip('"'), None) for line in lines]
    for separator in _SEPARATORS:  # folders of frames have no suffix to be known by
        rows = _split_all(lines, separator)
        if all(row is not None and not _is_media(row[1] or "") for row in rows):
            return [row for row in rows if row is not None]
    line = next((number for number, line in enumerate(lines) if _is_media(line) or _split(line, " ") is None), 0)
    raise ValueError(
        f"{path}: line {line + 1}, {lines[line][:60]!r}, cannot be read as a path and a label as the other lines can; "
        'separate them by "::", a tab, a comma or a space, the same in all lines'
    )


def _split_all(lines: Sequence[str], separator: str) -> list[Row | None]:
    return [_split(line, separator) for line in lines]


def _split(line: str, separator: str) -> Row | None:
    """Path and label, split after the video's name, or else at the last separator; None if there is none."""
    if line.startswith('"') and len(separator) == 1:
        fields = next(csv.reader([line], delimiter=separator))
        return (fields[0], fields[1].strip()) if len(fields) == 2 else None
    parts = line.split(separator)
    ends = [end for end in range(1, len(parts)) if _is_media(separator.join(parts[:end]).strip())]
    end = ends[-1] if ends else len(parts) - 1
    name, label = separator.join(parts[:end]).strip(), separator.join(parts[end:]).strip()
    return (name, label) if name and label else None


def _is_header(line: str) -> bool:
    """Whether a line tells what stands in the columns, as in "path,label"."""
    columns = [line.split(separator) for separator in _SEPARATORS]
    return any(
        len(names) == 2 and names[0].strip(' "').lower() in _HEADERS and not names[1].strip(' "').isdigit()
        for names in columns
    )


def _is_media(name: str) -> bool:
    return is_video(name) or is_still(name)
