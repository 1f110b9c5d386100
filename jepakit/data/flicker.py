"""Clips of things that move in front of a ground, a share of which flickers: what can be predicted, and what cannot.

All things of a clip go the same way, and where they start is drawn uniformly and in ignorance of it, in a world without
edges: every frame alone is distributed alike for all headings. The tiles that flicker are as large as a patch and show
other colors in every frame, which nothing predicts: what a model of pixels spends itself on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from jepakit.config import Config
from jepakit.data.camera import CAMERA_CLIP
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.order import generator_for
from jepakit.data.painting import FIRST_THING, GROUND, lay, shrink
from jepakit.data.sources import PARTS, Part
from jepakit.data.sprites import Kind, Sprites, open_sprites

HEADINGS = ("right", "right and down", "down", "left and down", "left", "left and up", "up", "right and up")
"""Each is the one before, turned to the right by an eighth."""
STATES = ("darker", "lighter")
MIDDLE = 127.5
"""Gray, between darker and lighter."""
CELL = 4
"""Pixels of a side of what has one color while it flickers: a quarter of a tile of a small model."""


@dataclass(frozen=True, kw_only=True)
class Flicker(Config):
    """Clips of moving things before a ground that flickers, and parts of them to measure with.

    `label` is what probes are asked for: where the things go (`HEADINGS`, equally frequent), or whether the tile in the
    middle was darker or lighter than gray in the tubelet in the middle of the clip, each in half of all clips. Things
    of the test part are never seen in training. Frames and their size are those of `transform`. If the tile in the
    middle flickers, it lies before the things: what is asked about it can be seen.
    """

    seed: int = 0
    train: int = 20_000
    validation: int = 500
    test: int = 2_000
    sprites: Kind = "emoji"
    things: int = 3
    side: float = 0.375
    """Of a thing, in sides of a frame."""
    travel: tuple[float, float] = (0.5, 1.0)
    """How far the things move in a clip, in sides of a frame."""
    share: float = 0.5
    """Of the tiles of the ground, those that flicker: the one in the middle first, the others drawn for each clip."""
    tile: int = 8
    label: Literal["heading", "noise"] = "heading"
    transform: ClipTransform = CAMERA_CLIP

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is 0 or above, got {self.seed}")
        if min(self.train, self.validation, self.test, self.things) < 1:
            raise ValueError("each part has at least one clip, and a clip at least one thing; give 1 or more")
        if not 0 < self.side <= 1:
            raise ValueError(f"side is a share of a frame, got {self.side}")
        if not 0 < self.travel[0] <= self.travel[1]:
            raise ValueError(f"travel is a range of lengths above 0, shortest first, got {self.travel}")
        if self.tile < 1 or self.transform.picture.size % self.tile or self.tile % CELL:
            size = self.transform.picture.size
            raise ValueError(f"tile is a multiple of {CELL} pixels that fills a frame of {size}, got {self.tile}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is a share of the ground in [0, 1], got {self.share}")
        if self.label == "noise" and not self.flickering:
            raise ValueError("the label asks for what flickers, and nothing does; set share above 0")

    @property
    def flickering(self) -> int:
        """How many tiles flicker."""
        return round(self.share * (self.transform.picture.size // self.tile) ** 2)

    def build(self) -> "FlickerDataset":
        """What is pretrained on: the clips of the train part."""
        return FlickerDataset(self, "train")

    def split(self, part: Part, augmented: bool = False) -> "FlickerDataset":
        """The clips of one part. There is nothing to augment: no clip is like another."""
        return FlickerDataset(self, part)

    def notes(self) -> list[str]:
        """What a user should know of the data."""
        return [f"clips are drawn from seed {self.seed}; no thing of the test part is seen in the others"]


class FlickerDataset:
    """The clips of one part: a `contracts.Dataset` that draws what is asked for."""

    labels: Int[Tensor, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, config: Flicker, part: Part) -> None:
        self._config = config
        self._part: Part = part
        self._length = {"train": config.train, "validation": config.validation, "test": config.test}[part]
        numbers = torch.arange(self._length)
        self._headings, self._lighter = numbers % len(HEADINGS), numbers // len(HEADINGS) % len(STATES)
        asked = {"heading": (self._headings, HEADINGS), "noise": (self._lighter, STATES)}
        self.labels, self.classes = asked[config.label]

    def __len__(self) -> int:
        return self._length

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample: "x" [c t h w] float32 and "label"; a function of `index` alone."""
        assert self.labels is not None
        frames = self.clip(index).permute(0, 3, 1, 2)
        return {"x": self._config.transform.normalize(frames), "label": self.labels[index]}

    def clip(self, index: int) -> UInt8[Tensor, "t h w 3"]:
        """What is seen."""
        config = self._config
        frames, size = config.transform.sampling.frames, config.transform.picture.size
        generator = np.random.default_rng((config.seed, PARTS.index(self._part), index))
        canvas = np.full((frames, size, size, 4), GROUND, dtype=np.uint8)
        canvas[..., :3] = generator.integers(0, 256, 3, dtype=np.uint8)
        self._light(canvas, bool(self._lighter[index]), generator)
        asked = canvas[self._middle].copy()
        angle = 2 * np.pi * int(self._headings[index]) / len(HEADINGS)
        length = generator.uniform(*config.travel) * size
        way = np.linspace(0, length, frames)[:, None] * np.array([np.sin(angle), np.cos(angle)])
        for number, thing in enumerate(generator.choice(len(self._things), config.things)):
            lay(canvas, self._things[thing], generator.random(2) * size + way, FIRST_THING + number)
        if config.flickering:
            canvas[self._middle] = asked
        return torch.from_numpy(canvas[..., :3])

    def name(self, index: int) -> str:
        """Part and number."""
        return f"{self._part} clip {index}"

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """A permutation that depends on (seed, epoch) alone."""
        return torch.randperm(len(self), generator=generator_for(seed, epoch))

    @cached_property
    def _middle(self) -> tuple[slice, ...]:
        """The pixels of the tile in the middle, in all frames."""
        tile = self._config.tile
        first = self._config.transform.picture.size // tile // 2 * tile
        return slice(None), slice(first, first + tile), slice(first, first + tile)

    def _light(self, canvas: UInt8[np.ndarray, "t h w 4"], lighter: bool, generator: np.random.Generator) -> None:
        """Draws what flickers; turned to its negative, where the probed tile is not as the label says."""
        config, (frames, size) = self._config, canvas.shape[:2]
        row, tubelet = size // config.tile, config.transform.tubelet
        middle, moment = (row // 2) * (row + 1), frames // 2 // tubelet * tubelet
        others = generator.permutation(np.delete(np.arange(row * row), middle))
        for tile in [middle, *others][: config.flickering]:
            cells = generator.integers(0, 256, (frames, config.tile // CELL, config.tile // CELL, 3), dtype=np.uint8)
            told = cells[moment : moment + tubelet]
            if tile == middle and (told.mean() > MIDDLE) != lighter:
                told[:] = 255 - told
            top, left = (config.tile * place for place in divmod(int(tile), row))
            shown = cells.repeat(CELL, axis=1).repeat(CELL, axis=2)
            canvas[:, top : top + config.tile, left : left + config.tile, :3] = shown

    @cached_property
    def _things(self) -> UInt8[np.ndarray, "n k k 4"]:
        """As large as they are drawn: made smaller once."""
        sprites: Sprites = open_sprites(self._config.sprites)
        side = round(self._config.side * self._config.transform.picture.size)
        return np.stack([shrink(sprites.pictures[row], side) for row in sprites.rows(self._part)])
