"""Pictures -> what a backbone takes: sizes, crops and normalization, and the one augmentation that JEPAs use.

Resizing is torch's antialiased uint8 kernel: Pillow's pixels to within a level or two of 255, in half the time.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional

from jepakit.config import Config
from jepakit.data import decode

# Mean and standard deviation of ImageNet's training pictures, channel by channel, on a scale of 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Interpolation = Literal["bilinear", "bicubic"]
Picture = str | Path | Image.Image | np.ndarray | Tensor

# ITU-R 601 luma in 1/65536, as Pillow converts RGB to gray.
_LUMA = (19595, 38470, 7471)
_TRIES = 10


@dataclass(frozen=True, kw_only=True)
class ImageTransform(Config):
    """How raw pictures become input; it is saved beside the weights, so that every user feeds the same numbers.

    `squash` resizes to `size` x `size` and ignores the aspect; `shorter_side` resizes the shorter side to
    `size / crop_share` and cuts `size` x `size` out of the middle, which is what "256, then center crop 224" is with
    `crop_share=0.875`. Gray pictures are repeated for three channels, colors become luma for one.
    """

    size: int = 224
    resize: Literal["squash", "shorter_side"] = "squash"
    crop_share: float = 1.0
    channels: Literal[1, 3] = 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is a number of pixels and at least 1, got {self.size}")
        if not 0 < self.crop_share <= 1:
            raise ValueError(f"crop_share is in (0, 1], got {self.crop_share}; 0.875 makes 224 of 256")
        if self.resize == "squash" and self.crop_share != 1:
            raise ValueError(f"squash crops nothing, so crop_share={self.crop_share} needs resize='shorter_side'")
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"mean and std need {self.channels} number(s), one a channel; got {self.mean}, {self.std}")
        if min(self.std) <= 0:
            raise ValueError(f"std divides, so it must be above 0, got {self.std}")

    def __call__(self, raw: Picture) -> Float[Tensor, "c h w"]:
        """A path, a Pillow image, a uint8 array [h w] or [h w c] or a uint8 tensor [h w] or [c h w], made into input.

        Raises ValueError for anything else, and BrokenSample for a file that cannot be read.
        """
        return self.normalize(self.fit(to_pixels(raw)))

    @property
    def shorter(self) -> int:
        """What the shorter side is resized to before the middle is cut out."""
        return max(round(self.size / self.crop_share), self.size)

    def fit(self, pixels: UInt8[Tensor, "c h w"]) -> UInt8[Tensor, "k s s"]:
        """The right channels and size, still as bytes."""
        height, width = pixels.shape[1:]
        if self.resize == "squash":
            return recolor(resize(pixels, self.size, self.size, self.interpolation), self.channels)
        scaled = resize(pixels, *_with_shorter_side(height, width, self.shorter), self.interpolation)
        top, left = (scaled.shape[1] - self.size) // 2, (scaled.shape[2] - self.size) // 2
        return recolor(scaled[:, top : top + self.size, left : left + self.size], self.channels)

    def normalize(self, pixels: UInt8[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
        """Bytes -> (value / 255 - mean) / std, contiguous."""
        scale, shift = self._affine
        return pixels.contiguous().to(torch.float32).mul_(scale).add_(shift)

    @cached_property
    def _affine(self) -> tuple[Float[Tensor, "c 1 1"], Float[Tensor, "c 1 1"]]:
        mean, std = torch.tensor(self.mean, dtype=torch.float64), torch.tensor(self.std, dtype=torch.float64)
        return (1 / (255 * std)).float().view(-1, 1, 1), (-mean / std).float().view(-1, 1, 1)


class Box(NamedTuple):
    """A part of a picture in pixels, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    flip: bool


@dataclass(frozen=True, kw_only=True)
class RandomResizedCrop(Config):
    """A random part of the picture, resized: the only augmentation of I-JEPA (paper 2301.08243, appendix A.1).

    `scale` is the share of the area, `ratio` the aspect, drawn as in Inception (paper 1409.4842, section 6); `flip`
    mirrors every second picture.
    """

    scale: tuple[float, float] = (0.3, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale is a range of shares in (0, 1], got {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio is a range of aspects above 0, smaller first, got {self.ratio}")

    def __call__(
        self, pixels: UInt8[Tensor, "c h w"], size: int, interpolation: Interpolation, generator: Generator
    ) -> UInt8[Tensor, "c s s"]:
        """A random part, as `size` x `size` bytes."""
        box = self.draw(pixels.shape[1], pixels.shape[2], generator)
        return cut(pixels, box, size, interpolation)

    def draw(self, height: int, width: int, generator: Generator) -> Box:
        """Where to cut; a function of the generator's state. The first of ten draws that fits, else the middle."""
        numbers = torch.rand(1 + 4 * _TRIES, generator=generator).tolist()
        flip = self.flip and numbers[0] < 0.5
        log_low, log_high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for first in range(1, len(numbers), 4):
            u_area, u_ratio, u_top, u_left = numbers[first : first + 4]
            area = height * width * (self.scale[0] + u_area * (self.scale[1] - self.scale[0]))
            aspect = math.exp(log_low + u_ratio * (log_high - log_low))
            wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < wide <= width and 0 < high <= height:
                return Box(int(u_top * (height - high + 1)), int(u_left * (width - wide + 1)), high, wide, flip)
        wide = max(min(width, round(height * self.ratio[1])), 1)
        high = max(min(height, round(width / self.ratio[0])), 1)
        return Box((height - high) // 2, (width - wide) // 2, high, wide, flip)


def cut(pixels: UInt8[Tensor, "c h w"], box: Box, size: int, interpolation: Interpolation) -> UInt8[Tensor, "c s s"]:
    """The part of a picture in `box`, as `size` x `size` bytes."""
    part = pixels[:, box.top : box.top + box.height, box.left : box.left + box.width]
    scaled = resize(part, size, size, interpolation)
    return scaled.flip(2) if box.flip else scaled


def resize(
    pixels: UInt8[Tensor, "c h w"], height: int, width: int, interpolation: Interpolation
) -> UInt8[Tensor, "c height width"]:
    """Antialiased, as Pillow does it, to within one level of 255 (bilinear) or two (bicubic)."""
    if pixels.shape[1:] == (height, width):
        return pixels
    return functional.interpolate(pixels[None], (height, width), mode=interpolation, antialias=True)[0]


def recolor(pixels: UInt8[Tensor, "c h w"], channels: Literal[1, 3]) -> UInt8[Tensor, "k h w"]:
    """Gray repeated to three channels, or RGB weighted to gray (ITU-R 601)."""
    if pixels.shape[0] == channels:
        return pixels
    if channels == 3:
        return pixels.expand(3, -1, -1)
    red, green, blue = pixels.int()
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return ((luma + 0x8000) >> 16).to(torch.uint8)[None]


def to_pixels(raw: Picture) -> UInt8[Tensor, "c h w"]:
    """Anything that a person calls a picture, as bytes with one or three channels; alpha is put on white."""
    if isinstance(raw, str | Path):
        return decode.read_file(Path(raw))
    if isinstance(raw, Image.Image):
        return decode.from_pillow(raw)
    if not isinstance(raw, np.ndarray | Tensor):
        raise ValueError(f"a picture is a path, a Pillow image, or a uint8 array or tensor, not {type(raw).__name__}")
    if raw.dtype not in (np.uint8, torch.uint8):
        raise ValueError(f"a raw picture holds bytes 0-255 (uint8), this one is {raw.dtype}; scale and cast it first")
    if isinstance(raw, Tensor):
        array = raw if raw.ndim != 3 else raw.permute(1, 2, 0)
        layout = "a tensor is [h w] or [c h w]"
    else:
        array = torch.from_numpy(raw if raw.flags.writeable else raw.copy())
        layout = "an array is [h w] or [h w c]"
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.numel() == 0:
        raise ValueError(f"{layout} with 1, 3 or 4 channels, this one has shape {tuple(raw.shape)}")
    if array.shape[2] == 4:
        return decode.from_pillow(Image.fromarray(array.numpy(), "RGBA"))
    return array.permute(2, 0, 1)


def _with_shorter_side(height: int, width: int, shorter: int) -> tuple[int, int]:
    """The size with that shorter side and nearly the same aspect; the longer side is cut to whole pixels."""
    if height <= width:
        return shorter, int(shorter * width / height)
    return int(shorter * height / width), shorter
