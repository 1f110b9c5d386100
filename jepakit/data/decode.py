"""Encoded pictures -> pixels, by libraries that are kept: simplejpeg for JPEG, Pillow for everything else.

Files of strangers are expected: a decoder may raise anything, and all of it becomes `BrokenSample`.
"""

import io
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from jepakit.contracts import BrokenSample

Pixels = UInt8[Tensor, "c h w"]

# Pillow's own alarm level (a quarter of a gigabyte of RGB), which it only warns at.
PIXEL_LIMIT = 89_478_485
# EPS is left out on purpose: Pillow reads it by running another program.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
# fmt: off
SUFFIXES = frozenset((".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tga",
                      ".tif", ".tiff", ".webp"))
# fmt: on
_EXIF_MARK = b"Exif\x00\x00"
_EXIF_REACH = 128 * 1024
# EXIF 2.3, tag 0x0112: whether rows and columns are swapped, then which axes of [c h w] run backwards.
_TURNS: dict[int, tuple[bool, tuple[int, ...]]] = {
    2: (False, (2,)),
    3: (False, (1, 2)),
    4: (False, (1,)),
    5: (True, ()),
    6: (True, (2,)),
    7: (True, (1, 2)),
    8: (True, (1,)),
}


def read_file(path: Path, name: str | None = None) -> Pixels:
    """The picture in a file, upright, with one or three channels. Raises BrokenSample."""
    name = str(path) if name is None else name
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise BrokenSample(f"{name}: it is a directory, not a picture") from None
    except OSError as error:
        raise BrokenSample(f"{name}: it cannot be read: {error.strerror or error}") from None
    return decode(data, name)


def decode(data: bytes, name: str) -> Pixels:
    """The picture in `data`, upright, with one (gray) or three channels (RGB); transparent parts become white.

    Of an animation this is the first frame; 16 bits a channel are cut to 8. Raises BrokenSample.
    """
    if not data:
        raise BrokenSample(f"{name}: the file is empty")
    if data[:2] == b"\xff\xd8" and (pixels := _decode_jpeg(data, name)) is not None:
        return pixels
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size, name)
            return from_pillow(image)
    except BrokenSample:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BrokenSample(f"{name}: it claims more than {PIXEL_LIMIT:,} pixels") from None
    except Image.UnidentifiedImageError:
        raise BrokenSample(f"{name}: it is not a picture in a known format ({', '.join(FORMATS)})") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, IndexError, ... on broken input
        raise BrokenSample(f"{name}: it cannot be decoded: {_sentence(error)}") from None


def from_pillow(image: Image.Image) -> Pixels:
    """The pixels of a Pillow image, upright, with one or three channels; transparent parts become white.

    Raises ValueError for pixels that have no 8-bit meaning (floats, 32-bit integers).
    """
    image = _upright(image)
    if image.mode.startswith("I"):
        array = _eight_bits(np.asarray(image))
    elif image.has_transparency_data:
        array = np.array(_on_white(image))
    else:
        if image.mode == "F":
            raise ValueError("its pixels are floats of unknown range; save it with 8 or 16 bits a channel")
        array = np.array(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    return torch.from_numpy(array[:, :, None] if array.ndim == 2 else array).permute(2, 0, 1)


def _decode_jpeg(data: bytes, name: str) -> Pixels | None:
    """By simplejpeg (1.6 times Pillow's speed, the same pixels), or None where Pillow has to judge."""
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        _check_size(int(width), int(height), name)
        if colors in ("CMYK", "YCCK"):
            return None
        array = simplejpeg.decode_jpeg(data, colorspace="GRAY" if colors == "Gray" else "RGB")
    except ValueError:
        return None
    pixels = torch.from_numpy(array).permute(2, 0, 1)
    swapped, reversed_axes = _TURNS.get(_orientation(data), (False, ()))
    if swapped:
        pixels = pixels.transpose(1, 2)
    return pixels.flip(reversed_axes) if reversed_axes else pixels


def _orientation(data: bytes) -> int:
    start = data.find(_EXIF_MARK, 0, _EXIF_REACH)
    if start < 0:
        return 1
    exif = Image.Exif()
    try:
        exif.load(data[start : start + 2**16])
        return int(exif.get(0x0112, 1))
    except Exception:  # broken EXIF says nothing about the picture
        return 1


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF says nothing about the picture; if the pixels are broken, the next step says so
        return image


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("L" if image.mode in ("LA", "La") else "RGB")


def _eight_bits(array: np.ndarray) -> np.ndarray:
    if array.min() < 0 or array.max() > 0xFFFF:
        raise ValueError("its pixels need more than 16 bits; save it with 8 or 16 bits a channel")
    return (array.astype(np.int32) >> 8).astype(np.uint8)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > PIXEL_LIMIT:
        raise BrokenSample(f"{name}: it claims {width} x {height} pixels; the limit is {PIXEL_LIMIT:,} in all")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
