"""Frames of videos as pictures: what a picture model learns from, where there are videos alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.mixture import Collection
from jepakit.data.order import generator_for
from jepakit.data.sources import Part
from jepakit.data.transforms import ImageTransform

_FRAME = 1
"""The stream of chance that chooses the frame: another than that of the clip, whose crop must not tell it."""


@dataclass(frozen=True, kw_only=True)
class Stills(Config):
    """One frame of each of `clips`, which are Videos, Scenes or the like, under the label of the clip.

    Training sees a random one, everything else the middle one.
    """

    clips: Config

    def __post_init__(self) -> None:
        if not isinstance(self.clips, Collection) or not isinstance(self.clips.transform, ClipTransform):
            raise ValueError(f"frames are taken out of clips, and {type(self.clips).__name__} gives none")

    @property
    def transform(self) -> ImageTransform:
        """How a frame becomes input."""
        transform = self._collection.transform
        assert isinstance(transform, ClipTransform)
        return transform.picture

    def build(self) -> "StillDataset":
        """A random frame of each clip that is pretrained on, other ones in every epoch."""
        return StillDataset(self._collection.build(), anywhere=True)

    def split(self, part: Part, augmented: bool = False) -> "StillDataset | None":
        """The labeled clips of one part, a frame of each."""
        clips = self._collection.split(part, augmented)
        return None if clips is None else StillDataset(clips, anywhere=augmented)

    def notes(self) -> list[str]:
        """What a user should know of the clips."""
        return self._collection.notes()

    @property
    def _collection(self) -> Collection:
        assert isinstance(self.clips, Collection)
        return self.clips


class StillDataset:
    """Frames of clips: a `contracts.Dataset` of pictures [c h w]."""

    labels: Int[Tensor, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, clips: Dataset, anywhere: bool) -> None:
        self._clips, self._anywhere = clips, anywhere
        self.labels, self.classes = clips.labels, clips.classes

    def __len__(self) -> int:
        return len(self._clips)

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample of the clip, with one of its frames as "x". Raises BrokenSample."""
        sample = self._clips.get(index, epoch, seed)
        count = sample["x"].shape[1]
        frame = count // 2
        if self._anywhere:
            frame = int(torch.randint(count, (), generator=generator_for(seed, epoch, index, _FRAME)))
        return {**sample, "x": sample["x"][:, frame]}

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        return self._clips.order(epoch, seed)

    def name(self, index: int) -> str:
        return self._clips.name(index)
