"""Videos to test with, written by PyAV: every frame is known by how bright it is, and upright by its green corner."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor

DARKEST, STEP = 20, 5
FRAMES = 40
HEIGHT, WIDTH = 48, 64


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Frame `number` of every film: gray, with a green quarter at the top left."""
    pixels = np.full((height, width, 3), DARKEST + STEP * number, dtype=np.uint8)
    if height > 1 and width > 1:
        pixels[: height // 2, : width // 2] = (0, 200, 0)
    return pixels


def number_of(frame: Tensor) -> int:
    """Which frame it is, by the bottom right of it [c h w]."""
    height, width = frame.shape[1:]
    gray = frame[:, -max(height // 4, 1) :, -max(width // 4, 1) :].float().mean()
    return round((float(gray) - DARKEST) / STEP)


def green_corner(frame: Tensor) -> str:
    """Where the green quarter of a frame [c h w] lies."""
    height, width = frame.shape[1:]
    quarters = {
        "top left": frame[:, : height // 4, : width // 4], "top right": frame[:, : height // 4, -(width // 4) :],
        "bottom left": frame[:, -(height // 4) :, : width // 4],
        "bottom right": frame[:, -(height // 4) :, -(width // 4) :],
    }  # fmt: skip
    return max(quarters, key=lambda name: float(quarters[name][1].float().mean() - quarters[name][0].float().mean()))


def write_film(
    path: Path,
    count: int = FRAMES,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 25,
    size: tuple[int, int] = (HEIGHT, WIDTH),
    container: str | None = None,
    rotation: int | None = None,
    keys_every: int = 12,
    times: Sequence[int] | None = None,
) -> Path:
    """A film of `count` frames. `times` are the milliseconds at which they are shown, where they are not regular."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as film:
        stream = film.add_stream(codec, rate=rate, options={"x265-params": "log-level=none"})
        stream.height, stream.width = size
        stream.pix_fmt, stream.bit_rate = pixels, 4_000_000
        stream.gop_size = keys_every
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path
