"""What is cut out of an opened video: one clip from its middle, one from anywhere, or many views of it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.data.clip_transform import ClipTransform
from jepakit.data.clips import Clip, read_clip
from jepakit.data.transforms import RandomResizedCrop


@runtime_checkable
class Cut(Protocol):
    """From a video to input; what is random in it comes from the generator. Raises BrokenSample."""

    def __call__(self, clip: Clip, generator: Generator) -> Float[Tensor, "..."]: ...


@dataclass(frozen=True)
class MiddleClip:
    """The clip in the middle, as a user of the transform gets it."""

    transform: ClipTransform

    def __call__(self, clip: Clip, generator: Generator) -> Float[Tensor, "c t h w"]:
        return self.transform.middle(clip)


@dataclass(frozen=True)
class RandomClip:
    """A clip from anywhere in the video, and where there is an augmentation, one random crop for all of its frames."""

    transform: ClipTransform
    augment: RandomResizedCrop | None

    def __call__(self, clip: Clip, generator: Generator) -> Float[Tensor, "c t h w"]:
        transform, share = self.transform, torch.rand((), generator=generator).item()
        fit = transform.picture.fit if self.augment is None else transform.crop(self.augment, generator)
        return transform.normalize(read_clip(clip, transform.choose(share), fit))


@dataclass(frozen=True)
class RandomSegments:
    """A clip from anywhere in each of `segments` equal parts of the video, all in one random crop: [s 1 c t h w].

    What heads that read several segments are trained on (V-JEPA, 2404.08471, appendix).
    """

    transform: ClipTransform
    augment: RandomResizedCrop | None
    segments: int

    def __call__(self, clip: Clip, generator: Generator) -> Float[Tensor, "s 1 c t h w"]:
        transform = self.transform
        fit = transform.picture.fit if self.augment is None else transform.crop(self.augment, generator)
        shares = torch.rand(self.segments, generator=generator).tolist()
        chosen = [transform.choose(share, segment, self.segments) for segment, share in enumerate(shares)]
        return torch.stack([transform.normalize(read_clip(clip, frames, fit)) for frames in chosen]).unsqueeze(1)


@dataclass(frozen=True)
class ManyViews:
    """`segments` clips, each from the middle of an equal part of the video, in `views` crops along the longer side.

    Nothing is random, so that what is measured can be measured again. V-JEPA takes 8 segments of 3 views of Kinetics,
    2 of 3 of Something-Something (paper 2404.08471, section 5).
    """

    transform: ClipTransform
    segments: int
    views: int

    def __post_init__(self) -> None:
        if self.segments < 1 or self.views < 1:
            raise ValueError(f"segments and views are at least 1, got {self.segments} and {self.views}")

    def __call__(self, clip: Clip, generator: Generator) -> Float[Tensor, "s v c t h w"]:
        transform, fit = self.transform, self.transform.views(self.views)
        clips = []
        for segment in range(self.segments):
            frames = read_clip(clip, transform.choose(0.5, segment, self.segments), fit)
            clips.append(torch.stack([transform.normalize(view) for view in frames.chunk(self.views, dim=1)]))
        return torch.stack(clips)
