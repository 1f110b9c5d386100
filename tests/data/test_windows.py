"""A long video gives the same windows as its parts would, while it is read once and never held."""

import numpy as np
import pytest
import torch
from films import STEP, picture, write_film

from jepakit.contracts import BrokenSample
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.clips import ArrayClip
from jepakit.data.frames import Sampling, regular_clock
from jepakit.data.transforms import ImageTransform
from jepakit.data.video_decode import VideoFile
from jepakit.data.windows import windows

SMALL = ImageTransform(size=16)
TRANSFORM = ClipTransform(sampling=Sampling(frames=4, step=2, policy="uniform"), picture=SMALL)


class Counted(ArrayClip):
    """Notes which frames were read, and how many of them can be held at once."""

    def __init__(self, frames, rate=None):
        array = np.stack([picture(number) for number in range(frames)])
        super().__init__(array, "film", None if rate is None else regular_clock(frames, rate))
        self.read = []

    def frames(self, index):
        for number, frame in zip(index, super().frames(index), strict=True):
            self.read.append(number)
            yield frame


def test_windows_hold_the_frames_and_seconds_of_the_video(film):
    clip = VideoFile(film, film.name)
    found = list(windows(clip, TRANSFORM, stride=0.4))
    clip.close()
    assert [(window.start, round(window.end, 6)) for window in found] == [
        (0.0, 0.28), (0.4, 0.68), (0.8, 1.08), (1.2, 1.48), (1.32, 1.6),
    ]  # fmt: skip
    whole = VideoFile(film, film.name)
    for window in found:
        first = round(window.start * 25)
        frames = torch.stack([TRANSFORM.picture.fit(frame) for frame in whole.frames(range(first, first + 8, 2))])
        assert torch.equal(window.x, TRANSFORM.normalize(frames))
        assert not window.is_padded
    whole.close()


def test_each_frame_is_read_once_and_only_when_it_is_needed():
    clip = Counted(40, rate=10.0)
    reading = windows(clip, TRANSFORM, stride=0.4)
    next(reading)
    assert clip.read == [0, 2, 4, 6]
    second = next(reading)
    assert clip.read == [0, 2, 4, 6, 8, 10]
    assert torch.equal(second.x[0, :, -1, -1].diff() > 0, torch.ones(3, dtype=torch.bool))
    list(reading)
    assert clip.read == sorted(set(clip.read))


def test_a_video_shorter_than_a_window_is_one_padded_window():
    (window,) = windows(Counted(5, rate=10.0), TRANSFORM)
    assert window.is_padded
    assert (window.start, window.end) == (0.0, 0.5)
    steps = window.x[0, :, -1, -1].diff() * SMALL.std[0] * 255 / STEP
    torch.testing.assert_close(steps, torch.tensor([2.0, 2.0, 0.0]), atol=1e-3, rtol=0)


def test_a_single_frame_is_shown_as_the_backbone_takes_it():
    for still, length in (("repeat", 4), ("single", 1)):
        transform = ClipTransform(sampling=TRANSFORM.sampling, picture=SMALL, still=still)
        (window,) = windows(Counted(1, rate=10.0), transform)
        assert window.x.shape == (3, length, 16, 16)


def test_windows_need_a_clock():
    with pytest.raises(BrokenSample, match="film: it has no clock"):
        list(windows(Counted(40), TRANSFORM))


def test_an_irregular_clock_is_told_as_it_is(tmp_path):
    times = [0, 40, 80, 500, 540, 580, 1000, 1040]
    clip = VideoFile(write_film(tmp_path / "film.mkv", count=8, times=times), "film.mkv")
    (window,) = windows(clip, TRANSFORM)
    clip.close()
    assert window.start == 0
    assert window.end == pytest.approx(1.04, abs=2e-3)
