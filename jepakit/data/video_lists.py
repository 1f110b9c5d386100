"""Lists of videos: text files of "path label" lines, and .npy files of paths."""

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jepakit.data.video_files import is_still, is_video

LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".list", ".npy")
_SEPARATORS = ("::", "\t", ",", " ")
_PATHS = ("path", "video_path", "file_path", "filepath", "video", "clip", "file", "file_name", "filename", "name")
_LABELS = ("label", "class", "category", "target", "action", "label_name", "class_name", "label_id", "class_id")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
Row = tuple[str, str | None]


class Line(NamedTuple):
    """A line of a list, without the spaces around it, and its number in the file."""

    number: int
    text: str


class Header(NamedTuple):
    """What a first line says of the columns: which hold the path and the label, of `names`."""

    separator: str
    names: tuple[str, ...]
    path: int
    label: int | None


def read_list(path: Path) -> tuple[list[str], list[int] | list[str] | None]:
    """The paths of a list as they are written, and their labels: numbers if all are, None if there are none.

    A line is a path, "::" or a tab or a comma or a space, and a label. All lines use the same separator: the first one
    of these after which every line has named a video, so they may stand in paths and in labels, too. Both may be
    quoted. Where paths have no suffix (folders of frames), the label is what comes after the last separator. A first
    line like "path,label,split" says which columns are read; lines that begin with # are passed over. Raises
    ValueError with the line, for more than two columns as well where nothing says which ones are meant.
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
    numbered = (Line(number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    lines = [line for line in numbered if line.text and not line.text.startswith("#")]
    header = _read_header(path, lines[0].text) if lines else None
    if header is None:
        return _guess(path, lines)
    # A path that comes first may hold the separator itself, which whoever guesses minds.
    is_plain = len(header.names) == 1 or (len(header.names) == 2 and header.path == 0)
    return _guess(path, lines[1:]) if is_plain else [_cut_columns(path, line, header) for line in lines[1:]]


def _read_header(path: Path, text: str) -> Header | None:
    """What the first line says of the columns; None if it is a video itself. Raises ValueError if it names no label."""
    for separator in (*_SEPARATORS, None):
        fields = [text] if separator is None else text.split(separator)
        names = tuple(field.strip(' "').lower().replace(" ", "_") for field in fields)
        found = [names.index(word) for word in _PATHS if word in names]
        if not found or (separator is not None and len(names) == 1) or any(map(_is_no_name, names)):
            continue
        if separator == " " and not (len(names) == 2 and found[0] == 0) and not set(names) & set(_LABELS):
            continue  # words of a path
        if separator is None and (path.parent / text).exists():
            continue  # a folder of frames that is called so
        labels = [names.index(word) for word in _LABELS if word in names]
        label = labels[0] if labels else (1 - found[0] if len(names) == 2 else None)
        if label is None and len(names) > 2:
            raise ValueError(
                f"{path}: its first line, {text[:60]!r}, calls none of the {len(names)} columns label; call one of "
                "them so, or keep the paths alone"
            )
        return Header(separator or "", names, found[0], label)
    return None


def _cut_columns(path: Path, line: Line, header: Header) -> Row:
    """The columns that the header names. Raises ValueError with the line if it has others."""
    if len(header.separator) == 1:
        fields = next(csv.reader([line.text], delimiter=header.separator, skipinitialspace=header.separator != "\t"))
    else:
        fields = [_unquote(field.strip()) for field in line.text.split(header.separator)]
    assert header.label is not None, "a header of several columns names a label"
    if len(fields) != len(header.names) or not (fields[header.path].strip() and fields[header.label].strip()):
        raise ValueError(
            f"{path}: line {line.number}, {line.text[:60]!r}, has not a path and a label in {len(header.names)} "
            f'columns as the first line says; put into quotes what holds a "{header.separator}"'
        )
    return fields[header.path].strip(), fields[header.label].strip()


def _guess(path: Path, lines: Sequence[Line]) -> list[Row]:
    """Rows by the first separator that makes sense of all lines. Raises ValueError with a line that fits no other."""
    texts = [line.text for line in lines]
    if all(_is_media(_unquote(text)) for text in texts) or not any(
        mark in text for text in texts for mark in _SEPARATORS
    ):
        return [(_unquote(text), None) for text in texts]
    fitting = dict[tuple[str, Callable[[Row | None], bool]], list[bool]]()
    for names_one in (_names_video, _names_folder):
        for separator in _SEPARATORS:
            rows = [_split(text, separator) for text in texts]
            fitting[separator, names_one] = fits = list(map(names_one, rows))
            if all(fits):
                found = [(name, label or "") for name, label in filter(None, rows)]
                _require_two_columns(path, lines, [label for _, label in found], separator)
                return [(name, _unquote(label)) for name, label in found]
    (separator, _), fits = max(fitting.items(), key=lambda item: sum(item[1]))
    line = lines[fits.index(False)]
    raise ValueError(
        f"{path}: line {line.number}, {line.text[:60]!r}, cannot be read as a path and a label as the other lines can; "
        f'separate them by "::", a tab, a comma or a space, the same in all lines ("{separator}" fits {sum(fits)} of '
        f"{len(lines)})"
    )


def _require_two_columns(path: Path, lines: Sequence[Line], labels: Sequence[str], separator: str) -> None:
    """Raises ValueError if what was taken as labels are several columns: equally many in all lines.

    Words of a label may stand apart by spaces, so there only a number before the others tells of columns.
    """
    columns = [label.split(separator) for label in labels]
    (count, *others) = {len(fields) for fields in columns}
    quoted = any(label.startswith('"') for label in labels)
    if others or count == 1 or quoted or (separator == " " and not all(fields[0].isdigit() for fields in columns)):
        return
    raise ValueError(
        f"{path}: line {lines[0].number}, {lines[0].text[:60]!r}, has {count + 1} columns, as all lines have; keep a "
        'path and a label, or begin the list with a line that names the columns, such as "path,label,split" (a '
        "label that holds the separator is put into quotes)"
    )


def _split(line: str, separator: str) -> Row | None:
    """Path and label, split after the video's name, or else at the last separator; None if there is none."""
    if quoted := _QUOTED.match(line):
        rest = line[quoted.end() :] if separator in " \t" else line[quoted.end() :].lstrip()
        label = rest.removeprefix(separator).strip()
        if rest.startswith(separator):
            return (_unquote(quoted[0]), label) if label else None
    parts = line.split(separator)
    ends = [end for end in range(1, len(parts)) if _is_media(separator.join(parts[:end]).strip())]
    end = ends[-1] if ends else len(parts) - 1
    name, label = separator.join(parts[:end]).strip(), separator.join(parts[end:]).strip()
    return (name, label) if name and label else None


def _unquote(text: str) -> str:
    return text[1:-1].replace('""', '"') if _QUOTED.fullmatch(text) else text


def _names_video(row: Row | None) -> bool:
    return row is not None and _is_media(row[0])


def _names_folder(row: Row | None) -> bool:
    """Folders of frames have no suffix to be known by."""
    return row is not None and not _is_media(row[1] or "")


def _is_no_name(field: str) -> bool:
    """Whether it cannot be what a column is called."""
    return field.isdigit() or _is_media(field)


def _is_media(name: str) -> bool:
    return is_video(name) or is_still(name)
