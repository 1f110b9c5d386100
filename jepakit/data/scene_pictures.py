"""Still pictures of scenes in which everything is known: how many things, how near the nearest one, what is where."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.images import ImageDataset, Images
from jepakit.data.painting import FIRST_THING, Scene
from jepakit.data.scenes import SceneDataset, Scenes
from jepakit.data.sources import PARTS, Listing, Part, Source, labeled_rows
from jepakit.data.transforms import ImageTransform

SEEN = ("ground", "bar", "thing")
"""What a pixel of a picture can be: "mask" numbers it."""
PICTURE = ImageTransform(size=64)
_MOMENT = ClipTransform(sampling=Sampling(frames=1, step=1, policy="uniform"), picture=PICTURE, tubelet=1)


@dataclass(frozen=True, kw_only=True)
class ScenePictures(Images):
    """A picture of each of `scenes`, with as many of each count and of each distance of the nearest thing.

    Counting and distance are asked as VTAB asks them of CLEVR (1910.04867): 3 to 10 things in 8 classes, and 6 classes
    of how near the nearest one is. Unlike there, classes are equally frequent: bins end where sixths of distances do.
    Pictures are drawn when they are first asked for, and kept. Things of the test part are never seen in training.
    """

    root: str = "scenes"
    transform: ImageTransform = PICTURE
    scenes: Scenes = Scenes(train=10_000, validation=1_000, test=2_000, things=(3, 10), transform=_MOMENT)  # noqa: RUF009
    label: Literal["count", "distance"] = "count"
    truth: bool = False
    """Parts to measure with also hold "mask" [h w], which numbers `SEEN`: for dense probes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scenes.transform.sampling.frames != 1:
            raise ValueError("a picture is one frame of a scene; set scenes.transform.sampling.frames to 1")
        if self.scenes.transform.picture.size != self.transform.size:
            raise ValueError("pictures are drawn as large as they are shown; give transform and scenes the same size")

    def split(self, part: Part, augmented: bool = False) -> ImageDataset | None:
        """The pictures of one part, with the truth if it was asked for and they are not augmented."""
        if not self.truth or augmented:
            return super().split(part, augmented)
        source, listing = self._opened
        assert isinstance(source, Drawn)
        return PicturesWithTruth(source, listing, labeled_rows(listing, part), self.transform, None)

    @cached_property
    def _opened(self) -> tuple[Source, Listing]:
        source = Drawn(replace(self.scenes, label=self.label))
        return source, source.listing


class Drawn:
    """The scenes of all parts, row after row: a `sources.Source` that draws each once."""

    def __init__(self, scenes: Scenes) -> None:
        self.parts: list[SceneDataset] = [scenes.split(part) for part in PARTS]
        sizes = torch.tensor([len(part) for part in self.parts])
        labels = [part.labels for part in self.parts if part.labels is not None]
        names = [part.name(index) for part in self.parts for index in range(len(part))]
        self.firsts = sizes.cumsum(0) - sizes
        codes = torch.arange(len(PARTS)).repeat_interleave(sizes)
        self.listing = Listing(names, torch.cat(labels), self.parts[0].classes, codes, notes=tuple(scenes.notes()))
        self._kept: dict[int, UInt8[Tensor, "c h w"]] = {}

    def read(self, row: int) -> UInt8[Tensor, "c h w"]:
        """The picture."""
        if row not in self._kept:
            self._kept[row] = self.scene(row).clip[0].permute(2, 0, 1).contiguous()
        return self._kept[row]

    def scene(self, row: int) -> Scene:
        """The picture with all that is known of it."""
        part = int((self.firsts <= row).sum()) - 1
        return self.parts[part].scene(row - int(self.firsts[part]))


class PicturesWithTruth(ImageDataset):
    """Pictures that are not augmented, each with what is seen at its pixels."""

    _source: Drawn

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample with "mask" beside it."""
        seen: Int[Tensor, "h w"] = self._source.scene(int(self._rows[index])).instances[0].long()
        return {**super().get(index, epoch, seed), "mask": seen.clamp(max=FIRST_THING)}
