"""Who did what, when: tables of actions in the columns of EPIC-KITCHENS-100 (Damen et al., 2006.13256)."""

import csv
import io
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

COLUMNS = ("video_id", "start_frame", "stop_frame", "verb_class", "noun_class")
"""What a table has to have; "verb" and "noun" hold the words, and a layout may ask for others."""
QUESTIONS = ("verb", "noun", "action")
"""What is asked of an action; the action itself is the pair of verb and noun."""


@dataclass(frozen=True)
class Action:
    """A row: the frames from `start` to `stop` of a video show it. `path` is where the video lies below a root."""

    video: str
    start: int
    stop: int
    verb: int
    noun: int
    words: str
    path: str
    line: int

    @property
    def name(self) -> str:
        """What a person calls it: video, line of the table, and what is done."""
        return f"{self.video}, line {self.line} ({self.words})"


@dataclass(frozen=True)
class Vocabulary:
    """What there is to tell apart: the verbs, the nouns and the pairs of them that training shows, in order."""

    verbs: tuple[int, ...]
    nouns: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    names: tuple[str, ...]
    """What the pairs are called."""

    @classmethod
    def of(cls, actions: Sequence[Action]) -> "Vocabulary":
        """That of the actions that are trained on."""
        names = {(action.verb, action.noun): action.words for action in reversed(actions)}
        pairs = tuple(sorted(names))
        return cls(
            tuple(sorted({verb for verb, _ in pairs})),
            tuple(sorted({noun for _, noun in pairs})),
            pairs,
            tuple(names[pair] for pair in pairs),
        )

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many verbs, nouns and actions there are."""
        return len(self.verbs), len(self.nouns), len(self.pairs)

    def targets(self, actions: Iterable[Action]) -> Int[Tensor, "n 3"]:
        """Verb, noun and action of each row by their place here; -1 for what training never shows."""
        verbs, nouns, pairs = (
            {member: place for place, member in enumerate(members)} for members in (self.verbs, self.nouns, self.pairs)
        )
        rows = [
            (verbs.get(row.verb, -1), nouns.get(row.noun, -1), pairs.get((row.verb, row.noun), -1)) for row in actions
        ]
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)


def read_actions(path: Path, layout: str) -> list[Action]:
    """The rows of a table. `layout` names the video of a row by its columns: "{participant_id}/{video_id}.MP4".

    Raises ValueError with the line for what cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    _require_columns(path, reader.fieldnames or (), layout)
    rows = []
    try:
        for row in reader:
            rows.append(_action(row, layout, f"{path}, line {reader.line_num}", reader.line_num))
    except csv.Error as error:
        line = reader.reader.line_num
        raise ValueError(f"{path}, line {line}: it cannot be read as comma-separated values: {error}") from None
    if not rows:
        raise ValueError(f"{path} holds no actions; each line after the first should name one")
    return rows


def _require_columns(path: Path, found: Sequence[str], layout: str) -> None:
    if missing := [column for column in COLUMNS if column not in found]:
        raise ValueError(f"{path} has no column {', '.join(missing)}; its first line should name {', '.join(COLUMNS)}")
    try:
        asked = [field for _, field, _, _ in string.Formatter().parse(layout) if field is not None]
    except ValueError as error:
        raise ValueError(f"the layout {layout!r} cannot be read: {error}; write {{video_id}}.mp4") from None
    if unknown := [field for field in asked if field not in found]:
        raise ValueError(f"the layout {layout!r} asks for {{{unknown[0]}}}, but {path} has no such column")


def _action(row: Mapping[str | None, str | None], layout: str, where: str, line: int) -> Action:
    plain = {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
    if len(plain) < len(row):
        raise ValueError(f"{where}: it has more or fewer fields than the first line of the table")
    start, stop, verb, noun = (_count(plain, column, where) for column in COLUMNS[1:])
    if stop < start:
        raise ValueError(f"{where}: the action stops at frame {stop}, before it starts at frame {start}")
    if not plain["video_id"]:
        raise ValueError(f"{where}: it names no video")
    named = plain.get("verb") and plain.get("noun")
    words = f"{plain['verb']} {plain['noun']}" if named else f"verb {verb} noun {noun}"
    return Action(plain["video_id"], start, stop, verb, noun, words, layout.format_map(plain), line)


def _count(row: Mapping[str, str], column: str, where: str) -> int:
    text = row[column].strip()
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{where}: {column} should be a whole number from 0 on, it is {row[column]!r}")
    return int(text)
