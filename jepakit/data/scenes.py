"""Scenes of moving things, made of real pictures, in which everything is known: for motion, depth and what is where.

A scene is a pure function of (seed, part, number). Frames are small and quick to draw, so nothing is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from jepakit.config import Config, added
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.motions import MOTIONS, draw_stage, trace
from jepakit.data.order import generator_for
from jepakit.data.painting import Plan, Scene, paint, resampling, reveal
from jepakit.data.scene_truth import truth_of
from jepakit.data.sources import PARTS, Part
from jepakit.data.sprites import Kind, Sprites, open_sprites
from jepakit.data.transforms import ImageTransform, RandomResizedCrop

Label = Literal["motion", "count", "distance"]
Ground = Literal["plain", "texture"]

MOST_THINGS = 12
NEAR, FAR, NEAREST_BINS = 2.0, 4.0, 6
"""Distances of things; the nearest one of a scene lies in the nearer three quarters, in bins of equal width."""
_BIN = 0.75 * (FAR - NEAR) / NEAREST_BINS
_PATCHES, _CONTRAST, _GRAIN = 5, 40, 10
"""Texture: so many colors along a side, blended into each other, up to so far from their mean, and noise on pixels."""
SCENE_CLIP = ClipTransform(
    sampling=Sampling(frames=16, step=1, policy="uniform"), picture=ImageTransform(size=64), tubelet=2
)


@dataclass(frozen=True, kw_only=True)
class Scenes(Config):
    """Clips of things that move before a ground, and parts of them to measure with.

    Two things move and the others stand still; all of them, and a bar across the way of the two, hide each other by
    distance. Things of the test part are never seen in training. `label` is what probes are asked for: the motion
    (`motions.MOTIONS`: no single frame tells anything of it), how many things there are, or how near the nearest is.
    Classes of each are equally frequent. Frames and their size are those of `transform`.
    """

    seed: int = 0
    train: int = 20_000
    validation: int = 1_000
    test: int = 2_000
    sprites: Kind = "emoji"
    things: tuple[int, int] = (2, 5)
    """The fewest and the most things in a scene, the two that move included."""
    ground: Ground = "texture"
    travel: tuple[float, float] = (1.1, 1.3)
    """How far a thing moves in a clip, in sides of a frame."""
    label: Label = "motion"
    transform: ClipTransform = SCENE_CLIP
    augment: RandomResizedCrop | None = None
    truth: bool = added(False)
    """Samples also hold "mask", which numbers `scene_truth.KINDS`, and "depth", both [t h w]: for dense probes."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is 0 or above, got {self.seed}")
        if min(self.train, self.validation, self.test) < 1:
            raise ValueError(f"each part has at least one scene, got {(self.train, self.validation, self.test)}")
        if not 2 <= self.things[0] <= self.things[1] <= MOST_THINGS:
            raise ValueError(f"things is a range from 2 to {MOST_THINGS}, fewest first, got {self.things}")
        if not 1 <= self.travel[0] <= self.travel[1]:
            raise ValueError(f"travel is a range of lengths from 1 on, else things may never meet, got {self.travel}")
        if self.augment is not None and self.augment.flip:
            raise ValueError("a mirrored scene moves another way; set augment.flip to False")
        if self.truth and self.transform.picture.crop_share != 1:
            raise ValueError("the truth is that of whole frames; set transform.picture.crop_share to 1")

    def build(self) -> "SceneDataset":
        """What is pretrained on: the scenes of the train part, augmented."""
        return SceneDataset(self, "train", self.augment)

    def split(self, part: Part, augmented: bool = False) -> "SceneDataset":
        """The scenes of one part, not augmented unless asked for."""
        return SceneDataset(self, part, self.augment if augmented else None)

    def notes(self) -> list[str]:
        """What a user should know of the data."""
        return [f"scenes are drawn from seed {self.seed}; no thing of the test part is seen in the others"]


class SceneDataset:
    """The scenes of one part: a `contracts.Dataset` that draws what is asked for."""

    labels: Int[Tensor, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, config: Scenes, part: Part, augment: RandomResizedCrop | None) -> None:
        self._config, self._augment = config, augment
        self._part: Part = part
        self._length = {"train": config.train, "validation": config.validation, "test": config.test}[part]
        numbers = torch.arange(self._length)
        column = ("motion", "count", "distance").index(config.label)
        self.labels = self._answers = torch.stack(_labels_of(numbers, config.things))[column]
        self.classes = _classes_of(config)

    def __len__(self) -> int:
        return self._length

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample: "x" [c t h w] float32 and "label". Scenes depend on `index` alone, their crops on all three."""
        plan, transform = self.plan(index), self._config.transform
        canvas = paint(plan, self._sprites.pictures)
        frames = torch.from_numpy(canvas[..., :3]).permute(0, 3, 1, 2)
        fit = transform.picture.fit
        if self._augment is not None:
            fit = transform.crop(self._augment, generator_for(seed, epoch, index))
        x = transform.normalize(torch.stack([fit(frame) for frame in frames]))
        sample = {"x": x, "label": self._answers[index]}
        return {**sample, **self._truth(reveal(plan, canvas), index, epoch, seed)} if self._config.truth else sample

    def _truth(self, scene: Scene, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The truth of the same part of the frames that the sample shows: the generator is the same once more."""
        size, box = self._config.transform.picture.size, None
        if self._augment is not None:
            box = self._augment.draw(size, size, generator_for(seed, epoch, index))
        return truth_of(scene, box, size)

    def scene(self, index: int) -> Scene:
        """The scene as it is before augmentation, with everything that is known of it."""
        plan = self.plan(index)
        return reveal(plan, paint(plan, self._sprites.pictures))

    def plan(self, index: int) -> Plan:
        """What the scene holds. Everything but the motion is drawn in ignorance of it."""
        config = self._config
        motion, count, nearest = (int(label) for label in _labels_of(torch.tensor(index), config.things))
        frames, size = config.transform.sampling.frames, config.transform.picture.size
        generator = np.random.default_rng((config.seed, PARTS.index(self._part), index))
        stage = draw_stage(config.travel, generator)
        count += config.things[0]
        still = generator.random((count - 2, 2))
        moving = trace(motion, stage, np.arange(frames + 1) / max(frames - 1, 1))
        places = np.concatenate([moving, np.broadcast_to(still, (frames + 1, *still.shape))], axis=1)
        return Plan(
            motion,
            places * size,
            _draw_distances(count, nearest, generator),
            generator.choice(self._rows, count, replace=False),
            stage.along,
            stage.bar * size,
            generator.integers(0, 256, 3, dtype=np.uint8),
            _draw_ground(config.ground, size, generator),
        )

    def name(self, index: int) -> str:
        """Part and number."""
        return f"{self._part} scene {index}"

    def thing(self, sprite: int) -> tuple[str, str]:
        """What a sprite shows, and its class."""
        return self._sprites.names[sprite], self._sprites.classes[int(self._sprites.labels[sprite])]

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """A permutation that depends on (seed, epoch) alone."""
        return torch.randperm(len(self), generator=generator_for(seed, epoch))

    @cached_property
    def _sprites(self) -> Sprites:
        return open_sprites(self._config.sprites)

    @cached_property
    def _rows(self) -> Int[np.ndarray, "k"]:
        return self._sprites.rows(self._part)


def _labels_of(
    numbers: Int[Tensor, "*n"], things: tuple[int, int]
) -> tuple[Int[Tensor, "*n"], Int[Tensor, "*n"], Int[Tensor, "*n"]]:
    """Motion, count (from the fewest on) and bin of the nearest distance: counted through, so that all meet all."""
    counts = things[1] - things[0] + 1
    rest = numbers // len(MOTIONS)
    return numbers % len(MOTIONS), rest % counts, rest // counts % NEAREST_BINS


def _classes_of(config: Scenes) -> tuple[str, ...]:
    match config.label:
        case "motion":
            return MOTIONS
        case "count":
            return tuple(f"{count} things" for count in range(config.things[0], config.things[1] + 1))
        case "distance":
            return tuple(f"nearest at {low:.2f} to {low + _BIN:.2f}" for low in NEAR + _BIN * np.arange(NEAREST_BINS))


def _draw_distances(count: int, nearest: int, generator: np.random.Generator) -> Float[np.ndarray, "k"]:
    """The nearest thing, which is any of them, lies in the bin `nearest`; the others anywhere behind it."""
    shares = generator.random(count)
    first = int(generator.integers(count))
    closest = NEAR + _BIN * (nearest + shares[first])
    distances = closest + shares * (FAR - closest)
    distances[first] = closest
    return distances


def _draw_ground(ground: Ground, size: int, generator: np.random.Generator) -> UInt8[np.ndarray, "s s 3"]:
    """One color, or a few that run into each other, with grain."""
    mean = generator.integers(0, 256, 3, dtype=np.uint8)
    if ground == "plain":
        return np.broadcast_to(mean, (size, size, 3))
    colors = (mean + generator.integers(-_CONTRAST, _CONTRAST + 1, (_PATCHES, _PATCHES, 3))).astype(np.float32)
    weights = resampling(_PATCHES, size)
    smooth = np.tensordot(weights, np.tensordot(weights, colors, (1, 0)), (1, 1)).swapaxes(0, 1)
    grain = generator.integers(-_GRAIN, _GRAIN + 1, (size, size, 3), dtype=np.int16)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)
