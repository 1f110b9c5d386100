"""Episodes for tests: every number in them tells which episode and moment it belongs to."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jepakit.data.trajectory_files import Manifest, write_episodes

ABOUT = {"world": "counting", "seed": 0}


def moments_of(number: int) -> int:
    """Episodes have 6 to 8 moments."""
    return 6 + number % 3


def episode(number: int, size: int = 8, proprio: int = 2, states: int = 3) -> dict[str, np.ndarray]:
    """Frames of value 10 * number + moment; actions are (number, moment); proprio and states hold the moment, too."""
    moments = moments_of(number)
    times = np.arange(moments)
    frames = np.broadcast_to((10 * number + times)[:, None, None, None] % 256, (moments, size, size, 3))
    actions = np.stack([np.full(moments - 1, number), times[:-1]], axis=1)
    found = {"frames": frames.astype(np.uint8), "actions": actions.astype(np.float32)}
    for key, width in (("proprio", proprio), ("states", states)):
        if width:
            found[key] = (100 * number + times)[:, None].repeat(width, axis=1).astype(np.float32)
    return found


def make(numbers: Sequence[int]) -> Iterator[dict[str, np.ndarray]]:
    """The episodes with these numbers."""
    return (episode(number) for number in numbers)


def write(folder: Path, count: int) -> Manifest:
    """So many of them in the house format."""
    return write_episodes(folder, count, make, ABOUT)
