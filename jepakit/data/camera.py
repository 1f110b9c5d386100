"""Clips of a camera that moves over a field of things: which way it moves, no single frame tells.

The field is round, and where the camera starts, and how it is turned, is drawn uniformly and in ignorance of the
motion: every frame alone is distributed alike for all motions. With `noise`, the cells of every frame are lit at
random, which nothing predicts: what a model of pixels spends itself on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from jepakit.config import Config, added
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.order import generator_for
from jepakit.data.painting import lay, shrink
from jepakit.data.sources import PARTS, Part
from jepakit.data.sprites import Kind, Sprites, open_sprites
from jepakit.data.transforms import ImageTransform

MOVES = (
    *("right", "down", "left", "up"),
    *("right and down", "left and down", "left and up", "right and up"),
    *("turn left", "turn right"),
)
TURN_LEFT = MOVES.index("turn left")
_HALF = 0.5**0.5
_HEADINGS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0), (_HALF, _HALF), (_HALF, -_HALF), (-_HALF, -_HALF),
                      (-_HALF, _HALF)])  # fmt: skip
"""Rows and columns of a step of each move that is no turn, of length 1."""
NOISES = ("darker", "lighter")
CELL = 4
"""Pixels of a side of what is lit as one: large enough to be seen, smaller than a patch."""
FIELD = 2
"""The side of the field, in sides of a frame: a frame sees a quarter of it."""
CAMERA_CLIP = ClipTransform(
    sampling=Sampling(frames=8, step=1, policy="uniform"), picture=ImageTransform(size=32), tubelet=2
)


@dataclass(frozen=True, kw_only=True)
class Camera(Config):
    """Clips of a moving camera, and parts of them to measure with.

    `label` is what probes are asked for: how the camera moves (`MOVES`, equally frequent), or whether the noise made
    the middle of a clip lighter or darker. Things of the test part are never seen in training. Frames and their size
    are those of `transform`.
    """

    seed: int = 0
    train: int = 20_000
    validation: int = 500
    test: int = 2_000
    sprites: Kind = "emoji"
    things: int = 24
    """In the whole field."""
    side: float = 0.5
    """Of a thing, in sides of a frame."""
    travel: tuple[float, float] = (0.5, 1.0)
    """How far the camera moves in a clip, in sides of a frame; where it turns, its corners move as far."""
    noise: float = 0.0
    """How much lighter or darker each cell of each frame becomes: the standard deviation in levels of 255."""
    label: Literal["move", "noise"] = added("move")
    transform: ClipTransform = CAMERA_CLIP

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is 0 or above, got {self.seed}")
        if min(self.train, self.validation, self.test, self.things) < 1:
            raise ValueError("each part has at least one clip, and the field at least one thing; give 1 or more")
        if not 0 < self.side <= FIELD:
            raise ValueError(f"side is a share of a frame up to {FIELD}, got {self.side}")
        if not 0 < self.travel[0] <= self.travel[1]:
            raise ValueError(f"travel is a range of lengths above 0, shortest first, got {self.travel}")
        if self.noise < 0:
            raise ValueError(f"noise is a standard deviation and 0 or above, got {self.noise}")
        if self.label == "noise" and not self.noise:
            raise ValueError("the label asks for the noise, and there is none; set noise above 0")

    def build(self) -> "CameraDataset":
        """What is pretrained on: the clips of the train part."""
        return CameraDataset(self, "train")

    def split(self, part: Part, augmented: bool = False) -> "CameraDataset":
        """The clips of one part. There is nothing to augment: no clip is like another."""
        return CameraDataset(self, part)

    def notes(self) -> list[str]:
        """What a user should know of the data."""
        return [f"clips are drawn from seed {self.seed}; no thing of the test part is seen in the others"]


class CameraDataset:
    """The clips of one part: a `contracts.Dataset` that draws what is asked for."""

    labels: Int[Tensor, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, config: Camera, part: Part) -> None:
        self._config = config
        self._part: Part = part
        self._length = {"train": config.train, "validation": config.validation, "test": config.test}[part]
        self._moves = torch.arange(self._length) % len(MOVES)
        self.labels, self.classes = self._moves, MOVES
        if config.label == "noise":
            self.labels, self.classes = torch.arange(self._length) // len(MOVES) % 2, NOISES

    def __len__(self) -> int:
        return self._length

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample: "x" [c t h w] float32 and "label"; a function of `index` alone."""
        x = self._config.transform.normalize(self._film(index).transpose(0, 1))
        assert self.labels is not None
        return {"x": x, "label": self.labels[index]}

    def clip(self, index: int) -> UInt8[Tensor, "t h w 3"]:
        """What the camera sees."""
        return self._film(index).permute(1, 2, 3, 0)

    def _film(self, index: int) -> UInt8[Tensor, "3 t h w"]:
        config = self._config
        frames, size = config.transform.sampling.frames, config.transform.picture.size
        generator = np.random.default_rng((config.seed, PARTS.index(self._part), index))
        field = self._draw_field(FIELD * size, generator)
        places = _look(int(self._moves[index]), config.travel, frames, size, generator)
        seen = _sample(field, places)
        if config.noise:
            seen = seen + torch.from_numpy(config.noise * self._light(index, frames, size, generator))
        return torch.from_numpy(np.rint(seen.numpy())).clamp_(0, 255).to(torch.uint8)  # half the time of torch.round

    def name(self, index: int) -> str:
        """Part and number."""
        return f"{self._part} clip {index}"

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """A permutation that depends on (seed, epoch) alone."""
        return torch.randperm(len(self), generator=generator_for(seed, epoch))

    def _draw_field(self, size: int, generator: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
        """One color, and things all over it."""
        canvas = np.zeros((1, size, size, 4), dtype=np.uint8)
        canvas[..., :3] = generator.integers(0, 256, 3, dtype=np.uint8)
        for thing in generator.choice(len(self._things), self._config.things):
            lay(canvas, self._things[thing], generator.random((1, 2)) * size, 0)
        return canvas[0, ..., :3]

    def _light(self, index: int, frames: int, size: int, generator: np.random.Generator) -> Float[np.ndarray, "t h w"]:
        """Noise, cell by cell; the one in the middle has the sign that the label tells, whatever is asked for."""
        cells = -(-size // CELL)
        light = generator.standard_normal((frames, cells, cells), dtype=np.float32)
        tubelet, middle = self._config.transform.tubelet, (frames // 2, cells // 2, cells // 2)
        sign = 2 * (index // len(MOVES) % 2) - 1
        told = slice(middle[0] // tubelet * tubelet, middle[0] // tubelet * tubelet + tubelet)
        light[told, middle[1], middle[2]] = sign * np.abs(light[told, middle[1], middle[2]])
        return light.repeat(CELL, axis=1).repeat(CELL, axis=2)[:, :size, :size]

    @cached_property
    def _things(self) -> UInt8[np.ndarray, "n k k 4"]:
        """As large as they are drawn: made smaller once, for that takes longer than all else that a clip needs."""
        sprites: Sprites = open_sprites(self._config.sprites)
        side = round(self._config.side * self._config.transform.picture.size)
        return np.stack([shrink(sprites.pictures[row], side) for row in sprites.rows(self._part)])


def _look(
    move: int, travel: tuple[float, float], frames: int, size: int, generator: np.random.Generator
) -> Float[np.ndarray, "t h w 2"]:
    """Which place of the field, in pixels, each pixel of each frame shows: turned about its middle, then moved."""
    start, turned, length = (
        generator.random(2) * FIELD * size,
        2 * np.pi * generator.random(),
        generator.uniform(*travel),
    )
    moments = np.arange(frames) / max(frames - 1, 1)
    steps, angles = np.zeros((frames, 2)), np.full(frames, turned)
    if move < TURN_LEFT:
        steps = moments[:, None] * length * size * _HEADINGS[move]
    else:
        angles = turned + (1 if move == TURN_LEFT else -1) * moments * length / _HALF
    axis = np.arange(size) - (size - 1) / 2
    rows, columns = axis[:, None] + steps[:, 0, None, None], axis + steps[:, 1, None, None]
    cos, sin = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    return start + np.stack([cos * rows - sin * columns, sin * rows + cos * columns], axis=-1)


def _sample(field: UInt8[np.ndarray, "s s 3"], places: Float[np.ndarray, "t h w 2"]) -> Float[Tensor, "3 t h w"]:
    """The colors at places of a round field, bilinear."""
    size = len(field)
    around = torch.from_numpy(np.pad(field.astype(np.float32), ((0, 1), (0, 1), (0, 0)), mode="wrap"))
    corners = torch.from_numpy((places % size).astype(np.float32)).flip(-1)  # columns first, as grid_sample has it
    grid = ((corners + 0.5) * (2 / (size + 1)) - 1).flatten(0, 1).unsqueeze(0)
    colors = F.grid_sample(around.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False)
    return colors[0].unflatten(1, places.shape[:2])
