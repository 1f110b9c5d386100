"""A kitchen of squares and a dot: videos of actions that follow a grammar, with the tables of EPIC-KITCHENS."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from jepakit.config import Config
from jepakit.data.kitchen_story import NOUNS, VERBS, Act, Kitchen, Story
from jepakit.data.video_write import write_video

LAYOUT = "{participant_id}/{video_id}.mp4"
"""Where the videos lie, for `data.actions.Actions`."""
Part = Literal["train", "validation"]
PARTS: tuple[Part, ...] = ("train", "validation")
PARTICIPANTS: dict[Part, str] = {"train": "K01", "validation": "K02"}
TABLES: dict[Part, str] = {part: f"{part}.csv" for part in PARTS}
VIDEOS = "train.txt"
"""The list of the videos of the training part, to pretrain on."""
COLORS = np.array([(220, 60, 50), (60, 130, 230), (240, 190, 40), (70, 190, 90), (200, 90, 210), (90, 210, 210)])
_THING, _LID, _DOT = 0.075, 0.05, 0.045  # half the side of a thing and of its opening, and the radius of the dot
_COLUMNS = (
    *("narration_id", "participant_id", "video_id", "narration_timestamp", "start_timestamp", "stop_timestamp"),
    *("start_frame", "stop_frame", "narration", "verb", "verb_class", "noun", "noun_class"),
    *("all_nouns", "all_noun_classes"),
)


@dataclass(frozen=True, kw_only=True)
class KitchenVideos(Config):
    """Videos of 20 seconds, each a pure function of (seed, part, number), and the actions in them.

    A small stand-in for EPIC-KITCHENS-100: 5 verbs and 6 nouns make 30 actions, frequent and rare ones.
    """

    seed: int = 0
    train: int = 300
    validation: int = 60
    seconds: int = 20
    fps: int = 8
    size: int = 64

    def __post_init__(self) -> None:
        if self.seed < 0 or min(self.train, self.validation, self.seconds, self.fps) < 1:
            raise ValueError(f"a kitchen has a seed from 0 on, and at least one video, second and frame: {self}")
        if self.size < 32 or self.size % 2:
            raise ValueError(f"size is an even number of pixels from 32 on, got {self.size}")

    def story(self, part: Part, number: int) -> Story:
        """What happens in a video."""
        generator = np.random.default_rng((self.seed, PARTS.index(part), number))
        return Kitchen(self.seconds * self.fps, self.fps, generator).tell()

    def frames(self, part: Part, number: int) -> UInt8[np.ndarray, "t h w 3"]:
        """The frames of a video."""
        generator = np.random.default_rng((self.seed, PARTS.index(part), number, 1))
        ground = generator.integers(40, 110, 3) + generator.integers(-12, 13, (self.size, self.size, 1))
        return paint(self.story(part, number), ground.astype(np.uint8))

    def write(self, folder: Path) -> None:
        """Writes the videos, the two tables and the list of training videos; nothing if they are there already.

        Raises ValueError if the folder holds another kitchen.
        """
        described, note = json.dumps(self.to_json()), folder / "kitchen.json"
        if note.exists():
            if note.read_text() != described:
                raise ValueError(f"{folder} holds a kitchen with other settings; write this one to another folder")
            return
        for part, table in TABLES.items():
            (folder / PARTICIPANTS[part]).mkdir(parents=True, exist_ok=True)
            for number in range(self._count(part)):
                write_video(folder / self._path(part, number), self.frames(part, number), self.fps)
            with (folder / table).open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerows([_COLUMNS, *self._rows(part)])
        paths = [self._path("train", number) for number in range(self.train)]
        (folder / VIDEOS).write_text("\n".join(paths) + "\n")
        beside = folder / ".kitchen.json"
        beside.write_text(described)
        os.replace(beside, note)  # last, so that a kitchen that was left unfinished is written again

    def _count(self, part: Part) -> int:
        return self.train if part == "train" else self.validation

    def _path(self, part: Part, number: int) -> str:
        return LAYOUT.format(participant_id=PARTICIPANTS[part], video_id=_video(part, number))

    def _rows(self, part: Part) -> Iterator[list[str | int]]:
        for number in range(self._count(part)):
            for index, act in enumerate(self.story(part, number).acts):
                yield _row(_video(part, number), index, act, self.fps)


def paint(story: Story, ground: UInt8[np.ndarray, "s s 3"]) -> UInt8[np.ndarray, "t s s 3"]:
    """Things as colored squares, with a dark middle where they are open, and on top a white dot with a dark edge."""
    size, count = len(ground), len(story.dot)
    canvas = np.broadcast_to(ground, (count, *ground.shape)).copy()
    grid = (np.arange(size) + 0.5) / size
    for thing, color in enumerate(COLORS):
        away = _away(story.things[:, thing], grid)
        canvas[away < _THING] = color
        canvas[away < _LID * story.openness[:, thing, None, None]] = (15, 15, 15)
    rows, columns = (story.dot[:, axis, None] - grid for axis in (0, 1))
    distance = np.hypot(rows[:, :, None], columns[:, None, :])
    canvas[distance < _DOT + 1 / size] = (0, 0, 0)
    canvas[distance < _DOT] = (255, 255, 255)
    return canvas


def _away(places: Float[np.ndarray, "t 2"], grid: Float[np.ndarray, "s"]) -> Float[np.ndarray, "t s s"]:
    """How far each pixel is from a place, along the axis on which it is farther."""
    rows, columns = (np.abs(places[:, axis, None] - grid) for axis in (0, 1))
    return np.maximum(rows[:, :, None], columns[:, None, :])


def _video(part: Part, number: int) -> str:
    return f"{PARTICIPANTS[part]}_{number:03d}"


def _row(video: str, index: int, act: Act, fps: int) -> list[str | int]:
    start, stop = (str(timedelta(seconds=frame / fps)) for frame in (act.start, act.stop))
    verb, noun = VERBS[act.verb], NOUNS[act.noun]
    return [
        *(f"{video}_{index}", video.partition("_")[0], video, start, start, stop, act.start, act.stop),
        *(f"{verb} {noun}", verb, act.verb, noun, act.noun, f"['{noun}']", f"[{act.noun}]"),
    ]
