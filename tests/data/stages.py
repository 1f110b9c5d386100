"""A stage without a simulator: frames whose bytes say which task, seed, camera and moment they are of."""

import zlib

import numpy as np

from jepakit.data.robot_takes import FRAMES, SIZE, Take

CAMERAS = ("left", "right", "high")


def make_take(task: str, seed: int, success: bool = True) -> Take:
    clips = np.zeros((len(CAMERAS), FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    clips[..., 0] = np.arange(FRAMES)[None, :, None, None]
    clips[..., 1] = 100 * np.arange(len(CAMERAS))[:, None, None, None] + seed
    clips[..., 2] = zlib.crc32(task.encode()) % 256
    gripper = np.linspace(0, 1, FRAMES * 4, dtype=np.float32).reshape(FRAMES, 4) + seed
    return Take(task, seed, success, 50 + seed, CAMERAS, clips, gripper, np.full((FRAMES, 2, 3), seed, np.float32))


class FakeStage:
    """Remembers what it was asked for; seeds in `failing` do not do the task."""

    def __init__(self, task: str, failing: tuple[int, ...] = ()) -> None:
        self.task, self.failing, self.recorded, self.closed = task, failing, [], False

    def record(self, seed: int) -> Take:
        self.recorded.append(seed)
        return make_take(self.task, seed, seed not in self.failing)

    def close(self) -> None:
        self.closed = True
