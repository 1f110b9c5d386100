"""Videos whose past allows several futures, all of them known: for models that say what *may* come.

A clip is a pure function of (seed, part, number): its past and which of its futures came.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from jepakit.config import Config
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.motions import HEADINGS
from jepakit.data.order import generator_for
from jepakit.data.painting import FIRST_THING, lay, shrink
from jepakit.data.sources import PARTS, Part
from jepakit.data.sprites import Kind, Sprites, open_sprites
from jepakit.data.transforms import ImageTransform, RandomResizedCrop

Story = Literal["turn", "become"]

TURNS = ("turns left", "turns right", "goes straight on")
_TURNED = (3, 1, 0)
"""By how many quarters to the right each of TURNS changes the heading."""
BRANCHING_CLIP = ClipTransform(
    sampling=Sampling(frames=8, step=1, policy="uniform"), picture=ImageTransform(size=32), tubelet=4
)


@dataclass(frozen=True, kw_only=True)
class Branching(Config):
    """Clips of one thing on a plain ground that moves straight ahead; where the second half begins, chance decides.

    "turn": it turns left, turns right or, with three `modes`, goes straight on. "become": it goes straight on, as one
    of `modes` things of different classes, the same ones in all clips. Nothing of the past tells which: it is drawn
    first, and the modes of a part are equally frequent and counted through. The world is round: what leaves on one
    side comes in on the other. The things of the test part are never seen in training.
    """

    story: Story = "turn"
    modes: int = 3
    seed: int = 0
    train: int = 20_000
    validation: int = 500
    test: int = 1_000
    sprites: Kind = "emoji"
    side: tuple[float, float] = (0.35, 0.5)
    """The smallest and the largest thing, in sides of a frame."""
    pace: tuple[float, float] = (0.08, 0.09)
    """How far it moves from frame to frame, in sides of a frame."""
    ground: Literal["gray", "color"] = "gray"
    """Gray in all clips, or a color of its own in each."""
    transform: ClipTransform = BRANCHING_CLIP
    augment: RandomResizedCrop | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is 0 or above, got {self.seed}")
        if min(self.train, self.validation, self.test) < 1:
            raise ValueError(f"each part has at least one clip, got {(self.train, self.validation, self.test)}")
        most = len(TURNS) if self.story == "turn" else 10
        if not 2 <= self.modes <= most:
            raise ValueError(f"a story of kind {self.story!r} has 2 to {most} modes, got modes={self.modes}")
        if not 0 < self.side[0] <= self.side[1] <= 1:
            raise ValueError(f"side is a range of shares of a frame, smallest first, got {self.side}")
        if not 0 < self.pace[0] <= self.pace[1] <= 0.5:
            raise ValueError(f"pace is a range of shares of a frame up to 0.5, slowest first, got {self.pace}")
        if self.transform.sampling.frames % (2 * self.transform.tubelet):
            raise ValueError(
                f"past and future are halves of whole tubelets: give a multiple of {2 * self.transform.tubelet} "
                f"frames, not {self.transform.sampling.frames}"
            )
        if self.augment is not None and self.augment.flip:
            raise ValueError("mirrored, a turn to the left is one to the right; set augment.flip to False")

    @property
    def fork(self) -> int:
        """The first frame of the future."""
        return self.transform.sampling.frames // 2

    def build(self) -> "BranchingDataset":
        """What is pretrained on: the clips of the train part, augmented."""
        return BranchingDataset(self, "train", self.augment)

    def split(self, part: Part, augmented: bool = False) -> "BranchingDataset":
        """The clips of one part, not augmented unless asked for."""
        return BranchingDataset(self, part, self.augment if augmented else None)

    def notes(self) -> list[str]:
        """What a user should know of the data."""
        return [f"clips with {self.modes} futures are drawn from seed {self.seed}; no thing of the test part is seen "
                "in the others"]  # fmt: skip


@dataclass(frozen=True)
class Fate:
    """One past and one of its futures, before anything is drawn. Lengths are in pixels, a place is a row and a column.

    `places` are the centers of the thing at each frame, not wrapped; `shown` are the sprites it is drawn as.
    """

    mode: int
    places: Float[np.ndarray, "t 2"]
    shown: tuple[int, int]
    """Before the fork and from it on."""
    side: int
    ground: UInt8[np.ndarray, "3"]


class BranchingDataset:
    """The clips of one part: a `contracts.Dataset` that draws what is asked for, and what else might have come."""

    def __init__(self, config: Branching, part: Part, augment: RandomResizedCrop | None) -> None:
        self.config, self._augment = config, augment
        self._part: Part = part
        self._length = {"train": config.train, "validation": config.validation, "test": config.test}[part]
        self.labels: Int[Tensor, "n"] = torch.arange(self._length) % config.modes
        self._things: dict[tuple[int, int], UInt8[np.ndarray, "k k 4"]] = {}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """What happens in each mode."""
        if self.config.story == "turn":
            return TURNS[: self.config.modes]
        return tuple(f"becomes {self._sprites.classes[int(self._sprites.labels[row])]}" for row in self._outcomes)

    def __len__(self) -> int:
        return self._length

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample: "x" [c t h w] float32 and "label", its mode. Crops alone depend on epoch and seed."""
        label = self.labels[index]
        return {"x": self._draw(self.fate(index, int(label)), epoch, seed, index), "label": label}

    def futures(self, index: int) -> Float[Tensor, "m c t h w"]:
        """All the clips that begin with the past of this one, mode by mode, without augmentation."""
        plain = replace(self.config, augment=None).split(self._part)
        return torch.stack([plain._draw(self.fate(index, mode), 0, 0, index) for mode in range(self.config.modes)])

    def places(self, index: int) -> Float[Tensor, "m t 2"]:
        """Where the center of the thing is in each frame of `futures`: row and column in pixels, not wrapped."""
        places = np.stack([self.fate(index, mode).places for mode in range(self.config.modes)])
        return torch.from_numpy(places).float()

    def fate(self, index: int, mode: int) -> Fate:
        """The past of the clip `index` and its future in `mode`. Nothing of the past is drawn in knowledge of it."""
        config, size = self.config, self.config.transform.picture.size
        frames, fork = config.transform.sampling.frames, config.fork
        generator = np.random.default_rng((config.seed, PARTS.index(self._part), index))
        start, heading = generator.random(2), int(generator.integers(4))
        pace, side = (generator.uniform(*span) for span in (config.pace, config.side))
        color, row = generator.integers(0, 256, 3, dtype=np.uint8), int(generator.choice(self._rows))
        ground = color if config.ground == "color" else np.full(3, 128, dtype=np.uint8)
        turned = (heading + _TURNED[mode]) % 4 if config.story == "turn" else heading
        times = np.arange(frames)[:, None]
        # The last place before the fork is where it turns, so that the two halves share no frame.
        before, after = np.minimum(times, fork - 1), np.maximum(times - fork + 1, 0)
        places = start + pace * (before * HEADINGS[heading] + after * HEADINGS[turned])
        becomes = row if config.story == "turn" else self._outcomes[mode]
        return Fate(mode, places * size, (row, becomes), max(round(side * size), 1), ground)

    def name(self, index: int) -> str:
        """Part and number."""
        return f"{self._part} clip {index}"

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """A permutation that depends on (seed, epoch) alone."""
        return torch.randperm(len(self), generator=generator_for(seed, epoch))

    def _draw(self, fate: Fate, epoch: int, seed: int, index: int) -> Float[Tensor, "c t h w"]:
        transform = self.config.transform
        frames, size = transform.sampling.frames, transform.picture.size
        canvas = np.empty((frames, size, size, 4), dtype=np.uint8)
        canvas[..., :3], canvas[..., 3] = fate.ground, 0
        halves = slice(None, self.config.fork), slice(self.config.fork, None)
        for half, row in zip(halves, fate.shown, strict=True):
            lay(canvas[half], self._thing(row, fate.side), fate.places[half], FIRST_THING)
        fit = transform.picture.fit
        if self._augment is not None:
            fit = transform.crop(self._augment, generator_for(seed, epoch, index))
        pictures = torch.from_numpy(canvas[..., :3]).permute(0, 3, 1, 2)
        return transform.normalize(torch.stack([fit(picture) for picture in pictures]))

    def _thing(self, row: int, side: int) -> UInt8[np.ndarray, "k k 4"]:
        """As large as it is drawn. Sizes are few: each is made once, which took nearly half of the time."""
        if (row, side) not in self._things:
            self._things[row, side] = shrink(self._sprites.pictures[row], side)
        return self._things[row, side]

    @cached_property
    def _sprites(self) -> Sprites:
        return open_sprites(self.config.sprites)

    @cached_property
    def _rows(self) -> Int[np.ndarray, "k"]:
        return self._sprites.rows(self._part)

    @cached_property
    def _outcomes(self) -> list[int]:
        """What things can become: the first one of the train part of each of the first classes."""
        train = self._sprites.rows("train")
        labels = self._sprites.labels[torch.from_numpy(train)].numpy()
        known = np.unique(labels)[: self.config.modes]
        if len(known) < self.config.modes:
            raise ValueError(f"there are only {len(known)} classes of {self.config.sprites}, got "
                             f"modes={self.config.modes}")  # fmt: skip
        return [int(train[labels == label][0]) for label in known]
