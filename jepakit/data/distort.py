"""Pictures in other light: color jitter, gray, blur and solarization, as the methods of several views distort them.

What methods that compare views learn to ignore is what is done here; a JEPA with masks needs none of it. Pillow does
the work, as it did for the published results.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Generator, Tensor

from jepakit.config import Config

_DRAWS = 13


@dataclass(frozen=True, kw_only=True)
class Distortion(Config):
    """What may be done to the values of a picture, in this order: color jitter, gray, blur, solarization.

    `jitter`, `gray`, `blur` and `solarize` are the shares of pictures that it is done to. Color jitter takes its four
    steps in random order; the factors of `brightness`, `contrast` and `saturation` s are uniform in [max(0, 1 - s),
    1 + s], the turn of the hue is uniform in [-`hue`, `hue`] of a full circle. `sigma` is the range of the blur in
    pixels: published ones are for pictures of 224. Gray pictures have neither saturation nor hue, and stay gray.
    """

    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    gray: float = 0.2
    blur: float = 0.0
    sigma: tuple[float, float] = (0.1, 2.0)
    solarize: float = 0.0

    def __post_init__(self) -> None:
        for name in ("jitter", "gray", "blur", "solarize"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share of the pictures in [0, 1], got {getattr(self, name)}")
        for name in ("brightness", "contrast", "saturation"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is how far its factor may be from 1, at least 0, got {getattr(self, name)}")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue is a share of a circle in [0, 0.5], got {self.hue}")
        if not 0 <= self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"sigma is a range of pixels, smaller first, got {self.sigma}")

    @property
    def changes(self) -> bool:
        """Whether a picture may come out otherwise than it went in."""
        strength = self.brightness + self.contrast + self.saturation + self.hue
        return bool(self.jitter * strength or self.gray or self.blur * self.sigma[1] or self.solarize)

    def scaled(self, factor: float) -> "Distortion":
        """The same for pictures that are so many times larger."""
        return replace(self, sigma=(factor * self.sigma[0], factor * self.sigma[1]))

    def __call__(self, pixels: UInt8[Tensor, "c h w"], generator: Generator) -> UInt8[Tensor, "c h w"]:
        """A picture of one or three channels, distorted; a function of the generator's state."""
        numbers = torch.rand(_DRAWS, generator=generator).tolist()
        shares = (self.jitter, self.gray, self.blur, self.solarize)
        jitter, gray, blur, solarize = (number < share for number, share in zip(numbers, shares, strict=False))
        if not (jitter or gray or blur or solarize):
            return pixels
        image = to_image(pixels)
        if jitter:
            image = self._jitter(image, numbers[4:8], numbers[8:12])
        if gray and image.mode == "RGB":
            image = image.convert("L").convert("RGB")
        if blur:
            radius = self.sigma[0] + numbers[12] * (self.sigma[1] - self.sigma[0])
            image = image.filter(ImageFilter.GaussianBlur(radius))
        if solarize:
            image = ImageOps.solarize(image, threshold=128)
        return to_tensor(image)

    def _jitter(self, image: Image.Image, places: list[float], order: list[float]) -> Image.Image:
        """The four steps in the order of these numbers, each at its place in the range that it may take."""
        colored = image.mode == "RGB"
        for step in sorted(range(4), key=order.__getitem__):
            if step == 0 and self.brightness:
                image = ImageEnhance.Brightness(image).enhance(_factor(self.brightness, places[0]))
            elif step == 1 and self.contrast:
                image = ImageEnhance.Contrast(image).enhance(_factor(self.contrast, places[1]))
            elif step == 2 and self.saturation and colored:
                image = ImageEnhance.Color(image).enhance(_factor(self.saturation, places[2]))
            elif step == 3 and self.hue and colored:
                image = turn_hue(image, (2 * places[3] - 1) * self.hue)
        return image


def _factor(strength: float, place: float) -> float:
    low, high = max(0.0, 1 - strength), 1 + strength
    return low + place * (high - low)


def turn_hue(image: Image.Image, turn: float) -> Image.Image:
    """An RGB picture with every hue moved on by a share of the circle of colors."""
    hue, saturation, value = image.convert("HSV").split()
    moved = np.asarray(hue) + np.uint8(round(turn * 255) % 256)  # bytes go round as hues do
    return Image.merge("HSV", (Image.fromarray(moved), saturation, value)).convert("RGB")


def to_image(pixels: UInt8[Tensor, "c h w"]) -> Image.Image:
    """Bytes of one or three channels as Pillow has them."""
    array = pixels.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def to_tensor(image: Image.Image) -> UInt8[Tensor, "c h w"]:
    """A Pillow picture in gray or RGB as bytes."""
    array = np.array(image)
    return torch.from_numpy(array[:, :, None] if array.ndim == 2 else array).permute(2, 0, 1)


SIMCLR = Distortion(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=0.5)
"""Both views of SimCLR, strength 1 (2002.05709, appendix A)."""
BYOL_FIRST = Distortion(blur=1.0)
BYOL_SECOND = Distortion(blur=0.1, solarize=0.2)
"""The two views of BYOL (2006.07733, table 6), which MoCo v3, Barlow Twins, VICReg and the global views of DINO share.
"""
DINO_LOCAL = Distortion(blur=0.5)
"""Small views of DINO (2104.14294, released code); its global views are BYOL's."""
LEJEPA = Distortion(blur=0.5, solarize=0.2)
"""All views of LeJEPA (2511.08544)."""
