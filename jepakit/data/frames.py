"""Which frames of a video make a clip: pure functions of its length, or of its clock.

"reference" picks the frames that the released V-JEPA code picks, so that its probes see the same clips: evenly spaced
between both ends of a window of frames x step frames, floored, so that the stride is a little longer than `step`.
"uniform" picks every `step`-th frame, or the frames that are shown every 1/fps seconds. Windows are placed by a `share`
in [0, 1) of the room that there is: 0.5 is the middle, a random number is what training wants.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.config import Config

Policy = Literal["reference", "uniform"]
Short = Literal["hold", "loop"]
Index = Int[Tensor, "t"]
Span = int | float
"""A number of frames, or of seconds."""

CLOCK_ERROR = 6e-4
"""Matroska and FLV keep whole milliseconds, so a frame may be noted down up to half of one too late."""


@dataclass(frozen=True)
class Clock:
    """When each frame is shown, in seconds that increase; `starts` is None where nobody knows (arrays, folders)."""

    count: int
    starts: Float[Tensor, "n"] | None = None

    @property
    def rate(self) -> float:
        """Frames a second, on average. Raises ValueError without a clock."""
        first, end = self.span
        return self.count / (end - first)

    @property
    def span(self) -> tuple[float, float]:
        """When the first frame comes and the last one goes: it is taken to stay as long as the others do on average.

        Raises ValueError without a clock, or for one that stands still.
        """
        if self.starts is None:
            raise ValueError("it has no clock to count seconds by; choose frames by step, or tell its frame_rate")
        first, last = float(self.starts[0]), float(self.starts[-1])
        if self.count > 1 and not bool((self.starts.diff() > 0).all()):
            raise ValueError("the times of its frames do not increase; choose frames by step, or tell its frame_rate")
        return first, last + (last - first) / (self.count - 1) if self.count > 1 else last + 1.0


def regular_clock(count: int, rate: float) -> Clock:
    """The clock of frames that are shown `rate` times a second."""
    return Clock(count, torch.arange(count, dtype=torch.float64) / rate)


@dataclass(frozen=True, kw_only=True)
class Sampling(Config):
    """How a clip is chosen: how many frames, how far apart (by `step` in frames or by `fps` in time), by which policy.

    A video that is too short for the clip gives the frames that it has and holds the last one, or starts over ("loop").
    A single frame is repeated. With fps, "reference" rounds to a whole step as V-JEPA 2 does: 30 frames a second at
    fps=4 become every 7th frame; "uniform" goes by the clock of the video, whatever its metadata say.
    """

    frames: int = 16
    step: int | None = 4
    fps: float | None = None
    policy: Policy = "reference"
    short: Short = "hold"

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"frames is how many make a clip and at least 1, got {self.frames}")
        if (self.step is None) == (self.fps is None):
            raise ValueError(f"give either step or fps and make the other None, got step={self.step}, fps={self.fps}")
        if self.step is not None and self.step < 1:
            raise ValueError(f"step is a number of frames and at least 1, got {self.step}")
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f"fps is frames a second and above 0, got {self.fps}")

    def choose(self, clock: Clock, share: float = 0.5, segment: int = 0, segments: int = 1) -> Index:
        """The frames of a clip in the `segment`-th of so many equal parts of the video.

        Parts that are too short for a clip of their own overlap. Raises ValueError if `fps` needs a clock that the
        video does not have.
        """
        if not (0 <= share < 1 and 0 <= segment < segments):
            raise ValueError(f"share is in [0, 1) and segment in [0, {segments}), got {share} and {segment}")
        if clock.count == 1:
            return torch.zeros(self.frames, dtype=torch.int64)
        if self.policy == "uniform" and self.fps is not None:
            return uniform_in_time(clock, self.frames, self.fps, self.short, share, segment, segments)
        pick = reference if self.policy == "reference" else uniform
        return pick(clock.count, self.frames, self.step_of(clock), self.short, share, segment, segments)

    def step_of(self, clock: Clock) -> int:
        """How many frames of this video lie from one that is taken to the next. Raises ValueError as `choose` does."""
        if self.fps is None:
            assert self.step is not None, "one of the two is given"
            return self.step
        return int(max(math.ceil(round(clock.rate, 2)) // self.fps, 1))


def reference(
    count: int, frames: int, step: int, short: Short = "hold", share: float = 0.5, segment: int = 0, segments: int = 1
) -> Index:
    """The frames that the released code of V-JEPA and V-JEPA 2 picks among `count`, off-by-ones included.

    There, a window that does not fit its part is cut down to `part // step` frames over the whole part, and the last
    frame is held; parts of an evaluation (segments > 1) then overlap, and such windows end a frame early.
    """
    window, part = frames * step, count // segments
    if part > window:
        first = math.floor(share * (part - window))
        return _spread(first, first + window, frames, first + window - 1) + segment * part
    if segments == 1:
        return _held(_spread(0, part, part // step, part - 1), part - 1, frames, short)
    reach = min(window, count) - 1
    first = segment * ((count - window) // (segments - 1)) if count > window else 0
    return _held(_spread(0, reach, reach // step, reach - 1), max(reach - 1, 0), frames, short) + first


def uniform(
    count: int, frames: int, step: int, short: Short = "hold", share: float = 0.5, segment: int = 0, segments: int = 1
) -> Index:
    """Every `step`-th frame of `count`, from a first one on that leaves room for all of them."""
    window, part = (frames - 1) * step + 1, count // segments
    steps = torch.arange(frames) * step
    if part >= window:
        return segment * part + math.floor(share * (part - window + 1)) + steps
    if count >= window:
        return segment * (count - window) // (segments - 1) + steps
    return steps % count if short == "loop" else steps.clamp(max=count - 1)


def uniform_in_time(
    clock: Clock,
    frames: int,
    fps: float,
    short: Short = "hold",
    share: float = 0.5,
    segment: int = 0,
    segments: int = 1,
) -> Index:
    """The frames that are on the screen every 1/fps seconds, however irregular the clock is."""
    first, end = clock.span
    window, length = (frames - 1) / fps, end - first
    part = length / segments
    steps = torch.arange(frames, dtype=torch.float64) / fps
    if part > window:
        moments = segment * part + share * (part - window) + steps
    elif length > window:
        moments = segment * (length - window) / (segments - 1) + steps
    else:
        moments = steps % length if short == "loop" else steps
    return _shown(clock, moments)


class Slid(NamedTuple):
    """The frames of each window; `is_short` where the video is shorter than one, which is then filled up."""

    frames: Int[Tensor, "w t"]
    is_short: bool = False


def slide(clock: Clock, sampling: Sampling, stride: float | None = None) -> Slid:
    """Windows over a long video, each `stride` seconds after the last, or end to end if not given.

    Each holds the frames that `sampling` takes of a video that is as long as the window. They begin at the first frame,
    and where frames would be left behind the last of them, one more ends with the video. Raises ValueError where
    seconds are asked for and the video has no clock.
    """
    if stride is not None and stride <= 0:
        raise ValueError(f"stride is the seconds from window to window and above 0, got {stride}")
    if clock.count == 1:
        return Slid(torch.zeros(1, sampling.frames, dtype=torch.int64), is_short=sampling.frames > 1)
    if sampling.policy == "uniform" and sampling.fps is not None:
        return _slide_in_time(clock, sampling.frames, sampling.fps, sampling.short, stride)
    step = sampling.step_of(clock)
    window = sampling.frames * step
    inside = torch.arange(sampling.frames) * step
    if sampling.policy == "reference":
        inside = _spread(0, window, sampling.frames, window - 1)
    last = clock.count - 1 - int(inside[-1])
    if last < 0:
        return Slid(sampling.choose(clock, 0.0)[None], is_short=True)
    stride_frames = window if stride is None else max(round(stride * clock.rate), 1)
    return Slid(torch.tensor(_starts(last, clock.count, window, stride_frames)).long()[:, None] + inside)


def _slide_in_time(clock: Clock, frames: int, fps: float, short: Short, stride: float | None) -> Slid:
    """Windows whose frames are on the screen every 1/fps seconds."""
    first, end = clock.span
    window, length = frames / fps, end - first
    last = length - (frames - 1) / fps
    if last <= 0:
        return Slid(uniform_in_time(clock, frames, fps, short, 0.0)[None], is_short=True)
    starts = torch.tensor(_starts(last, length, window, stride or window), dtype=torch.float64)
    return Slid(_shown(clock, starts[:, None] + torch.arange(frames, dtype=torch.float64) / fps))


def _starts(last: Span, length: Span, window: Span, stride: Span) -> list[Span]:
    """Where windows begin, from 0 to at most `last`, so that what lies behind the last of them is in one as well."""
    starts = [number * stride for number in range(int((last + CLOCK_ERROR) // stride) + 1)]
    return starts if starts[-1] + window > length - CLOCK_ERROR else [*starts, last]


def _shown(clock: Clock, moments: Float[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    """Which frames are on the screen so many seconds after the first one came."""
    assert clock.starts is not None
    shown = torch.searchsorted(clock.starts, clock.span[0] + moments + CLOCK_ERROR, right=True) - 1
    return shown.clamp(0, clock.count - 1)


def _spread(first: int, last: int, frames: int, most: int) -> Index:
    """So many frames from `first` to `last`, both included, floored; none of them beyond `most`.

    By NumPy, as there, for its rounding decides where a place is a hair below a whole number.
    """
    return torch.from_numpy(np.linspace(first, last, frames).astype(np.int64)).clamp(max=most)


def _held(found: Int[Tensor, "k"], last: int, frames: int, short: Short) -> Index:
    """The frames of a short video, made `frames` long."""
    if short == "loop" and len(found):
        return found[torch.arange(frames) % len(found)]
    return torch.cat([found, torch.full((frames - len(found),), last)])
