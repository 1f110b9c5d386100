"""Several views of one video, for methods that compare them: other moments, other crops, small ones if asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.mixture import Collection
from jepakit.data.order import generator_for
from jepakit.data.sources import Part
from jepakit.data.transforms import RandomResizedCrop

_VIEW = 2
"""The stream of chance that tells views apart."""


@dataclass(frozen=True, kw_only=True)
class ClipViews(Config):
    """Every sample of `clips` (Videos, Scenes or the like) is drawn `count` times, as in training.

    Views differ in whatever is random in the clips: the moment at which a video is cut, and the crop. `locals` more
    views are cut out by `local_crop` and are small (multi-crop). Probes see `clips` as they are.
    """

    clips: Config
    count: int = 2
    locals: int = 0
    local_size: int = 96
    """Pixels of a side of a local view; a backbone must take this size, too."""
    local_crop: RandomResizedCrop = RandomResizedCrop(scale=(0.05, 0.3), ratio=(0.75, 1.35))  # noqa: RUF009

    def __post_init__(self) -> None:
        if self.count < 1 or self.locals < 0 or self.count + self.locals < 2:
            raise ValueError(f"views are compared, so there are two or more, got {self.count} and {self.locals} locals")
        if not isinstance(self.clips, Collection) or not isinstance(self.clips.transform, ClipTransform):
            raise ValueError(f"views are taken of clips, and {type(self.clips).__name__} gives none")
        if getattr(self.clips, "augment", None) is None:
            raise ValueError("views differ by a random crop; give data.clips.augment")

    @property
    def transform(self) -> ClipTransform:
        """How a clip becomes input."""
        transform = self._collection.transform
        assert isinstance(transform, ClipTransform)
        return transform

    def build(self) -> "ClipViewsDataset":
        """What is pretrained on."""
        small = self._small.build() if self.locals else None
        return ClipViewsDataset(self._collection.build(), self.count, small, self.locals)

    def split(self, part: Part, augmented: bool = False) -> Dataset | None:
        """The labeled clips of one part, one view of each."""
        return self._collection.split(part, augmented)

    def notes(self) -> list[str]:
        """What a user should know of the clips."""
        return self._collection.notes()

    @property
    def _collection(self) -> Collection:
        assert isinstance(self.clips, Collection)
        return self.clips

    @property
    def _small(self) -> Collection:
        """The same clips, cut smaller."""
        assert is_dataclass(self.clips)
        picture = replace(self.transform.picture, size=self.local_size)
        small = replace(self.clips, transform=replace(self.transform, picture=picture), augment=self.local_crop)
        assert isinstance(small, Collection)
        return small


class ClipViewsDataset:
    """Views as `methods.multiview` takes them: a `contracts.Dataset`."""

    labels: Int[Tensor, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, clips: Dataset, count: int, small: Dataset | None, locals_: int) -> None:
        self._clips, self._count, self._small, self._locals = clips, count, small, locals_
        self.labels, self.classes = clips.labels, clips.classes

    def __len__(self) -> int:
        return len(self._clips)

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample: "x" [c t h w] is the first view, "globals" the others, "locals" the small ones."""
        first, *others = (self._clips.get(index, epoch, _seed(seed, view)) for view in range(self._count))
        sample = dict(first)
        if others:
            sample["globals"] = torch.stack([view["x"] for view in others])
        if self._small is not None:
            views = range(self._count, self._count + self._locals)
            small = [self._small.get(index, epoch, _seed(seed, view))["x"] for view in views]
            sample["locals"] = torch.stack(small)
        return sample

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        return self._clips.order(epoch, seed)

    def name(self, index: int) -> str:
        return self._clips.name(index)


def _seed(seed: int, view: int) -> int:
    """The first view is that of a run without views; the others are drawn as in a run of another seed."""
    return seed if view == 0 else int(torch.randint(2**31, (), generator=generator_for(seed, view, _VIEW)))
