"""Videos -> what a video backbone takes: which frames, which size, normalized; saved beside the weights."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Generator, Tensor

from jepakit.config import Config
from jepakit.data.clips import ArrayClip, Clip, Fit, read_clip
from jepakit.data.frames import Clock, Index, Sampling
from jepakit.data.transforms import Box, ImageTransform, Picture, RandomResizedCrop, cut, recolor, resize, to_pixels
from jepakit.data.video_files import Opener

# The augmentation of V-JEPA and V-JEPA 2 in pretraining: one box and one flip for all frames of a clip.
VIDEO_CROP = RandomResizedCrop(scale=(0.3, 1.0), ratio=(0.75, 1.35), flip=True)
RawClip = str | Path | Image.Image | np.ndarray | Tensor | Sequence[Picture]


@dataclass(frozen=True, kw_only=True)
class ClipTransform(Config):
    """How raw videos become input; it is saved beside the weights, so that every user feeds the same numbers.

    `sampling` chooses the frames of a video, `picture` makes each of them fit. The frames of a clip must fill its
    tubelets: `tubelet` is how many of them a token spans. A picture is a video of one frame: "repeat" shows it for the
    whole clip (V-JEPA, V-JEPA 2), "single" gives t=1 for a backbone with a tokenizer for pictures (V-JEPA 2.1).
    """

    sampling: Sampling = field(default_factory=Sampling)
    picture: ImageTransform = field(default_factory=lambda: ImageTransform(resize="shorter_side"))
    tubelet: int = 2
    still: Literal["repeat", "single"] = "repeat"

    def __post_init__(self) -> None:
        if self.tubelet < 1:
            raise ValueError(f"tubelet is a number of frames and at least 1, got {self.tubelet}")
        self._require_whole_tubelets(self.sampling.frames)

    def __call__(self, raw: RawClip) -> Float[Tensor, "c t h w"]:
        """A path, or the frames of a clip, made into input.

        The path of a video (or of a folder of frames) gives the clip in its middle. An array [t h w] or [t h w c] of
        uint8, a uint8 tensor [t c h w], or a list of pictures is a clip that was chosen already: all of it is taken. A
        picture, or its path, is shown as `still` says. Raises ValueError, and BrokenSample for a file that cannot be
        read.
        """
        if isinstance(raw, str | Path):
            with closing(Opener().path(Path(raw))) as clip:
                return self.middle(clip)
        if isinstance(raw, Image.Image):
            return self.middle(ArrayClip(to_pixels(raw).permute(1, 2, 0).numpy()[None], "picture"))
        frames = _frames_of(raw)
        self._require_whole_tubelets(len(frames))
        sizes = {tuple(frame.shape[1:]) for frame in frames}
        if len(sizes) > 1:
            raise ValueError(f"the frames of a clip have one size, these have {len(sizes)}: {sorted(sizes)[:3]}")
        return self.normalize(torch.stack([self.picture.fit(frame) for frame in frames]))

    def middle(self, clip: Clip) -> Float[Tensor, "c t h w"]:
        """The clip in the middle of an opened video. Raises BrokenSample."""
        return self.normalize(read_clip(clip, self.choose(0.5), self.picture.fit))

    def choose(self, share: float, segment: int = 0, segments: int = 1) -> Callable[[Clock], Index]:
        """Which frames of a video are taken, as `Sampling.choose` has it, for every kind of clip."""

        def chosen(clock: Clock) -> Index:
            if clock.count == 1 and self.still == "single":
                return torch.zeros(1, dtype=torch.int64)
            return self.sampling.choose(clock, share, segment, segments)

        return chosen

    def crop(self, augment: RandomResizedCrop, generator: Generator) -> Fit:
        """Fits frames by a random crop, the same for all frames of a clip."""
        box: Box | None = None

        def fit(frame: UInt8[Tensor, "c h w"]) -> UInt8[Tensor, "k s s"]:
            nonlocal box
            if box is None:
                box = augment.draw(frame.shape[1], frame.shape[2], generator)
            return recolor(cut(frame, box, self.picture.size, self.picture.interpolation), self.picture.channels)

        return fit

    def views(self, count: int) -> Fit:
        """Fits frames by `count` square crops along the longer side, side by side in the channels.

        Raises ValueError where frames are squashed, for then there is only one view.
        """
        if count == 1:
            return self.picture.fit
        if self.picture.resize != "shorter_side":
            raise ValueError("several views are cut along the longer side; set picture.resize to 'shorter_side'")
        size, shorter = self.picture.size, self.picture.shorter

        def fit(frame: UInt8[Tensor, "c h w"]) -> UInt8[Tensor, "k s s"]:
            height, width = frame.shape[1:]
            tall, wide = max(shorter * height // width, shorter), max(shorter * width // height, shorter)
            scaled = recolor(resize(frame, tall, wide, self.picture.interpolation), self.picture.channels)
            down, right = tall - size, wide - size
            shares = [view / (count - 1) for view in range(count)]
            corners = [
                (int(down * (share if tall > wide else 0.5)), int(right * (share if wide >= tall else 0.5)))
                for share in shares
            ]
            return torch.cat([scaled[:, top : top + size, left : left + size] for top, left in corners])

        return fit

    def normalize(self, frames: UInt8[Tensor, "t c h w"]) -> Float[Tensor, "c t h w"]:
        """Bytes -> numbers, with time behind the channels."""
        pixels = frames.transpose(0, 1).contiguous()
        return self.picture.normalize(pixels.flatten(1, 2)).unflatten(1, tuple(pixels.shape[1:3]))

    def _require_whole_tubelets(self, frames: int) -> None:
        if frames % self.tubelet and not (frames == 1 and self.still == "single"):
            raise ValueError(
                f"a clip of {frames} frames cannot be cut into tubelets of {self.tubelet}; give a multiple of "
                f"{self.tubelet} frames"
            )


def _frames_of(raw: np.ndarray | Tensor | Sequence[Picture]) -> list[UInt8[Tensor, "c h w"]]:
    """The frames of a clip that is held in memory, each with one or three channels."""
    if isinstance(raw, np.ndarray | Tensor):
        if raw.ndim not in ((4,) if isinstance(raw, Tensor) else (3, 4)):
            layout = "tensor is [t c h w]" if isinstance(raw, Tensor) else "array is [t h w] or [t h w c]"
            raise ValueError(f"a clip in a {layout}, this one has shape {tuple(raw.shape)}")
    elif not isinstance(raw, Sequence):
        raise ValueError(f"a clip is a path, an array, a tensor or a list of pictures, not {type(raw).__name__}")
    if len(raw) == 0:
        raise ValueError("a clip has at least one frame, this one has none")
    return [to_pixels(frame) for frame in raw]
