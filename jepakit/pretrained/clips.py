"""The usual way from videos to the input of released video backbones."""

from typing import Literal

from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform

STEP = 4
"""Frames from one chosen frame to the next (evaluations of V-JEPA and V-JEPA 2, released code)."""


def usual_picture(size: int) -> ImageTransform:
    """The shorter side to 256/224 of the size, cut to whole pixels, and the middle of it (released evaluations)."""
    return ImageTransform(size=size, resize="shorter_side", crop_share=size / shorter_side(size))


def shorter_side(size: int) -> int:
    """What the shorter side is resized to before a square of `size` is cut out: 292 for 256, 438 for 384."""
    return size * 256 // 224


def usual_transform(
    frames: int, image: tuple[int, int], tubelet: int, channels: int, still: Literal["repeat", "single"] = "repeat"
) -> ClipTransform | None:
    """The usual evaluation transform of a model's size; None for sizes without one (not square, not RGB)."""
    if image[0] != image[1] or channels != 3:
        return None
    sampling = Sampling(frames=frames, step=STEP)
    return ClipTransform(sampling=sampling, picture=usual_picture(image[0]), tubelet=tubelet, still=still)


def describe(transform: ClipTransform | None) -> str:
    """What was assumed where a source does not say it."""
    if transform is None:
        return "the source names no transform: set backbone.transform before you give it videos"
    picture, sampling = transform.picture, transform.sampling
    return (
        f"the source names no transform: {sampling.frames} frames, each the {sampling.step}th of the last, shorter "
        f"side to {picture.shorter}, the middle {picture.size} x {picture.size}, mean and std of ImageNet are assumed"
    )
