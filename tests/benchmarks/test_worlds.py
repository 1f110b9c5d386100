"""Frames a second of worlds: counted over the frames that come out."""

import pytest

from benchmarks import worlds
from jepakit.worlds.listing import WORLDS


def test_every_policy_is_that_of_a_world():
    assert set(worlds.POLICIES) <= set(WORLDS)


def test_frames_are_counted_over_seconds_of_the_process(monkeypatch: pytest.MonkeyPatch):
    clock = iter([0.0, 100.0, 102.0, 200.0, 201.0, 300.0, 304.0])
    monkeypatch.setattr(worlds.time, "process_time", lambda: next(clock))
    rate = worlds.measure("two_rooms", worlds.POLICIES["two_rooms"], rounds=3, episodes=2)
    frames = 2 * (worlds.STEPS + 1)
    assert rate["value"] == frames / 2
    assert (rate["low"], rate["high"], rate["n"]) == (frames / 4, frames, 3)
