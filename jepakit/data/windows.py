"""A long video -> windows, one after the other: each frame is decoded once, and kept for as long as windows need it."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import BrokenSample
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.clips import Clip, fit_frames
from jepakit.data.frames import Clock, slide


@dataclass(frozen=True)
class Window:
    """What a backbone takes, and the seconds from when its first frame is shown until its last one goes.

    `is_padded` where the video is shorter than a window: frames are held or repeated to fill it.
    """

    x: Float[Tensor, "c t h w"]
    start: float
    end: float
    is_padded: bool


def windows(clip: Clip, transform: ClipTransform, stride: float | None = None) -> Iterator[Window]:
    """The windows of an opened video, each `stride` seconds after the last; end to end if not given.

    End to end, every moment counts once and costs one pass; what overlaps is placed in time more finely and costs more.
    Raises BrokenSample, and Recounted if the file holds other frames than it says: begin again then.
    """
    clock = clip.clock
    try:
        plan = slide(clock, transform.sampling, stride)
        if clock.count == 1:
            plan = plan._replace(frames=transform.choose(0.0)(clock)[None])
        _, end = clock.span
    except ValueError as error:
        raise BrokenSample(f"{clip.name}: {error}") from None
    held: dict[int, Tensor] = {}
    frames = fit_frames(clip, plan.frames.unique().tolist(), transform.picture.fit)
    for index in plan.frames.tolist():
        for number in [number for number in held if number < index[0]]:
            del held[number]
        while max(index) not in held:
            number, frame = next(frames)
            held[number] = frame
        x = transform.normalize(torch.stack([held[number] for number in index]))
        yield Window(x, _begins(clock, index[0], end), _begins(clock, max(index) + 1, end), plan.is_short)


def _begins(clock: Clock, number: int, end: float) -> float:
    """When a frame comes, counted from the first one; the one after the last comes when that one goes."""
    assert clock.starts is not None, "a clock that has a span knows the times of its frames"
    at = end if number == clock.count else float(clock.starts[number])
    return at - float(clock.starts[0])
