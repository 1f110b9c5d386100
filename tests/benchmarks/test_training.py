"""Frames a second of training: counted over what the longer run has more than the shorter one."""

import pytest

from benchmarks import training
from benchmarks.claims import SPEED
from jepakit.data.latents import Latents


def test_every_recipe_has_a_row():
    assert {f"training.{name}.frames_per_second" for name in training.NAMES} <= {row.claim for row in SPEED}


def test_the_difference_of_a_long_and_a_short_run_is_counted(tmp_path, monkeypatch: pytest.MonkeyPatch):
    run = training.prepared("two_rooms", tmp_path, episodes=3)
    seconds = iter([9.0, 9.5, 1.0, 3.0, 1.0, 2.0, 1.0, 5.0])
    asked = []

    def told(run, folder):
        asked.append(run.steps)
        return next(seconds)

    monkeypatch.setattr(training, "seconds_of", told)
    rate = training.measure(run, tmp_path, rounds=3)
    frames = (training.LONG - training.SHORT) * 64 * 8
    assert (rate["low"], rate["value"], rate["high"]) == (frames / 4, frames / 2, frames)
    assert asked == [training.SHORT, training.LONG] * 4


def test_the_planner_learns_from_what_another_run_saw(tmp_path, monkeypatch: pytest.MonkeyPatch):
    fitted = []
    monkeypatch.setattr(training, "fit", lambda run, out, **more: fitted.append((run.steps, out)))
    run = training.prepared("two_rooms_planner", tmp_path, episodes=3)
    assert fitted == [(1, tmp_path / "sees")]
    assert run.model.source == str(tmp_path / "sees")
    assert isinstance(run.data, Latents)
