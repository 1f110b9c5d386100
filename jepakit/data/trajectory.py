"""What a recorded episode is: t frames, the t-1 actions between them, and what was felt or known at each moment.

Formats differ only in how they store this. As a dict of arrays it has the keys

    frames   uint8   [t h w c], one or three channels
    actions  float32 [t-1 a]; action i leads from moment i to moment i+1
    proprio  float32 [t p], what the body felt (may be missing)
    states   float32 [t k], the state of the world, where somebody knows it (may be missing)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

Arrays = Mapping[str, np.ndarray]
"""An episode in memory, with the keys above."""
MOMENTS = ("frames", "proprio", "states")
"""What there is one of at each moment; of actions, there is one less."""
KEYS = ("frames", "actions", "proprio", "states")


@dataclass(frozen=True)
class Numbers:
    """What is known of an episode besides its pictures."""

    actions: Float32[np.ndarray, "u a"]
    proprio: Float32[np.ndarray, "t p"] | None = None
    states: Float32[np.ndarray, "t k"] | None = None


@runtime_checkable
class Episodes(Protocol):
    """Recorded episodes, whatever they are stored as. It can be pickled, and read by several processes.

    `lengths` counts moments. `broken` are the episodes that cannot be used, with the reason: they have no row.
    `notes` are sentences for the user.
    """

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def lengths(self) -> Sequence[int]: ...

    @property
    def broken(self) -> Mapping[str, str]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def numbers(self, row: int) -> Numbers:
        """Everything but the pictures. Raises BrokenSample."""
        ...

    def frames(self, row: int, moments: range) -> UInt8[np.ndarray, "t h w c"]:
        """The pictures of these moments, in order. Raises BrokenSample."""
        ...


def read_episode(episodes: Episodes, row: int) -> dict[str, np.ndarray]:
    """A whole episode as a dict, to be written in another format. Raises BrokenSample."""
    numbers = episodes.numbers(row)
    found = {"frames": episodes.frames(row, range(episodes.lengths[row])), "actions": numbers.actions}
    rest = {"proprio": numbers.proprio, "states": numbers.states}
    return {**found, **{key: value for key, value in rest.items() if value is not None}}


def require_episode(episode: Arrays, name: str) -> dict[str, np.ndarray]:
    """The episode with its numbers as float32. Raises ValueError, in one sentence, for what is not an episode."""
    if missing := [key for key in ("frames", "actions") if key not in episode]:
        raise ValueError(f"{name}: an episode has frames and actions, {' and '.join(missing)} are missing")
    if unknown := sorted(episode.keys() - set(KEYS)):
        raise ValueError(f"{name}: an episode holds {', '.join(KEYS)}; {unknown} is none of them")
    frames = episode["frames"]
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] not in (1, 3) or len(frames) < 2:
        raise ValueError(
            f"{name}: frames are bytes (uint8) [t h w c] of two moments or more with 1 or 3 channels, these are "
            f"{frames.dtype} {frames.shape}"
        )
    return {"frames": frames, **{key: _numbers(episode, key, name) for key in KEYS[1:] if key in episode}}


def _numbers(episode: Arrays, key: str, name: str) -> Float32[np.ndarray, "t k"]:
    moments = len(episode["frames"])
    wanted = moments if key in MOMENTS else moments - 1
    values = np.asarray(episode[key], dtype=np.float32)
    if values.ndim != 2 or len(values) != wanted:
        raise ValueError(f"{name}: {moments} frames go with {key} [{wanted} k], these are {list(values.shape)}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: {key} hold numbers that are not finite")
    return values
