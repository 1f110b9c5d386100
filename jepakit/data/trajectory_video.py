"""Frames of an episode that are stored as a video."""

from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jepakit.contracts import BrokenSample
from jepakit.data.clips import Clip, read_again
from jepakit.data.video_files import Opener


def read_moments(path: Path, moments: range) -> UInt8[np.ndarray, "t h w 3"]:
    """The frames with these numbers. Raises BrokenSample, also where the video has fewer.

    Every call opens the file and decodes from the last key frame on. To train for long, write the episodes in the house
    format once.
    """
    with closing(Opener().path(path)) as clip:
        return read_again(clip, lambda: _collect(clip, moments))


def _collect(clip: Clip, moments: range) -> UInt8[np.ndarray, "t h w 3"]:
    if moments[-1] >= clip.clock.count:
        raise BrokenSample(f"{clip.name}: frame {moments[-1]} is asked for, the video has {clip.clock.count}")
    return np.stack([frame.permute(1, 2, 0).numpy() for frame in clip.frames(list(moments))])
