"""When a clip ends that shows what comes before an action, and which frames it then has."""

from dataclasses import dataclass
from typing import Literal

import torch

from jepakit.config import Config
from jepakit.data.annotations import Action
from jepakit.data.frames import CLOCK_ERROR, Clock, Index, Sampling


@dataclass(frozen=True, kw_only=True)
class Protocol(Config):
    """When a clip ends: `seconds` before a point of the action, which lies at its start or at its stop.

    In training, seconds are drawn from `drawn`, and the point is moved into the action by a share of its length drawn
    from `inside` (the ranges of V-JEPA 2, 2506.09985, section 5).
    """

    seconds: float = 1.0
    drawn: tuple[float, float] = (0.25, 1.75)
    inside: tuple[float, float] = (0.0, 0.0)
    point: Literal["start", "stop"] = "start"

    def __post_init__(self) -> None:
        if self.seconds < 0 or not 0 <= self.drawn[0] <= self.drawn[1]:
            raise ValueError(f"clips end 0 or more seconds before, got {self.seconds} and {self.drawn} in training")
        if not 0 <= self.inside[0] <= self.inside[1] <= 1:
            raise ValueError(f"inside is a range of shares of the action in [0, 1], smaller first, got {self.inside}")

    def frame(self, action: Action, share: float) -> int:
        """The frame before which the seconds are counted; `share` is how far inside of the action it lies."""
        length = action.stop - action.start
        return int(action.start + share * length if self.point == "start" else action.stop - share * length)


CORRECT = Protocol()
"""No frame of the action is seen, neither in training nor in evaluation, and the last one lies a second before it."""
RELEASED = Protocol(inside=(0.0, 0.25), point="stop")
"""The released evaluation of V-JEPA 2, which counts from the stop of the action: where that lasts longer than a second,
its beginning is seen. Figures under the two protocols cannot be compared."""


def moment_of(clock: Clock, frame: int) -> float:
    """When a frame is shown, in seconds; one behind the last comes as late as the others do on average.

    Raises ValueError without a clock.
    """
    _, end = clock.span
    assert clock.starts is not None, "a clock without times has raised"
    return float(clock.starts[frame]) if frame < clock.count else end + (frame - clock.count) / clock.rate


def frames_before(clock: Clock, moment: float, sampling: Sampling) -> Index:
    """The frames of a clip that ends at `moment`, in seconds: none of them comes at it, or later.

    The policies are those of `sampling`: "reference" takes every so many whole frames, as V-JEPA 2 does, "uniform" goes
    by the clock. Before the first frame of the video, that one is repeated. Raises ValueError without `fps` or a clock,
    and for a moment behind the end of the video.
    """
    if sampling.fps is None:
        raise ValueError("a clip that ends at a moment counts frames a second; give fps, and make step None")
    (_, end), back = clock.span, torch.arange(sampling.frames, 0, -1)
    assert clock.starts is not None, "a clock without times has raised"
    if moment > end + CLOCK_ERROR:
        raise ValueError(f"a clip that ends at {moment:.2f} seconds is asked for, and the video ends at {end:.2f}")
    if sampling.policy == "reference":
        step = sampling.step_of(clock)
        return (int((clock.starts < moment - CLOCK_ERROR).sum()) - back * step).clamp(min=0)
    shown = torch.searchsorted(clock.starts, moment - back.double() / sampling.fps + CLOCK_ERROR, right=True) - 1
    return shown.clamp(min=0)
