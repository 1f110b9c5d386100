"""The sides of the benchmark of poses agree, and their times are those of one batch."""

import pytest
import torch

from benchmarks import pose


def test_all_sides_move_poses_to_the_same_places():
    seconds = pose.measure(rounds=1, count=5)
    assert seconds.keys() == pose.TIMES.keys()
    given = pose.draw(50)
    assert torch.allclose(pose.move_one_by_one(*given), pose.move_by_batch(*given), atol=1e-6)


def test_a_side_that_errs_is_not_timed(monkeypatch):
    monkeypatch.setattr(pose, "move_by_batch", lambda states, actions: states)
    with pytest.raises(ValueError, match="nothing to compare"):
        pose.measure(rounds=1, count=5)
