"""Schedules as pure functions of progress in [0, 1]: nothing to replay when a run is resumed.

Progress is 0 at the first step and exactly 1 at the last one, so that a schedule really ends where it says.
"""

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def constant(value: float) -> Schedule:
    """The same value throughout."""
    return lambda progress: value


def linear(start: float, end: float) -> Schedule:
    """A straight line, as the momentum of I-JEPA's target (paper 2301.08243, appendix A.1)."""
    return lambda progress: start + (end - start) * progress


def cosine(start: float, end: float) -> Schedule:
    """Half a cosine from `start` to `end`, flat at both ends."""
    return lambda progress: end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def warmup_cosine(start: float, peak: float, end: float, warmup: float) -> Schedule:
    """A straight line from `start` to `peak` during the share `warmup` of the run, then a cosine to `end`."""
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup is a share of the run in [0, 1), got {warmup}; give 0.1 for the first tenth")
    rise, fall = linear(start, peak), cosine(peak, end)
    return lambda progress: rise(progress / warmup) if progress < warmup else fall((progress - warmup) / (1 - warmup))


def warmup_constant_decay(start: float, peak: float, end: float, warmup: float, decay: float) -> Schedule:
    """A line up during `warmup`, `peak`, and a line down to `end` during the last share `decay` of the run."""
    if warmup < 0 or decay < 0 or warmup + decay > 1:
        raise ValueError(f"warmup ({warmup}) and decay ({decay}) are shares of the run that must not overlap")
    rise, fall = linear(start, peak), linear(peak, end)

    def value(progress: float) -> float:
        if progress < warmup:
            return rise(progress / warmup)
        if progress > 1 - decay:
            return fall((progress - 1 + decay) / decay)
        return peak

    return value


def stretched(schedule: Schedule, horizon: float) -> Schedule:
    """The first 1/`horizon` of a schedule: the reference calls it `ipe_scale` and never reaches the end."""
    return lambda progress: schedule(progress / horizon)


def ramp(value: float, begin: float, end: float) -> Schedule:
    """0 until `begin`, `value` from `end` on, and a straight line between."""
    if not 0 <= begin <= end <= 1:
        raise ValueError(f"a ramp begins and ends within the run, got {begin} to {end}")

    def rise(progress: float) -> float:
        return value if progress >= end else value * max(progress - begin, 0.0) / (end - begin)

    return rise
