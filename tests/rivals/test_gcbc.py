"""Cloning: goals of any later moment of a window, and a body that is felt now and not at the goal."""

from dataclasses import replace

import pytest
import torch

from jepakit.contracts import Observation, Rows, step_at
from jepakit.methods.cloning import Cloning
from jepakit.rivals.gcbc import TINY


class Told(Cloning):
    """Writes down which frame each moment was told to go to: frames hold their own number."""

    def _see(self, clips):
        return clips.mean(dim=(1, 3, 4)).unsqueeze(2)

    def _choose(self, seen, wanted, felt):
        self.gaps = (wanted - seen)[..., 0].round().long()
        return super()._choose(seen, wanted, felt)


def test_goals_are_all_later_moments_of_the_window_alike_and_no_others():
    whole = TINY.build()
    method = Told(whole.network, torch.nn.Linear(2, 2), whole.action)
    clips = torch.arange(16.0)[None, None, :, None, None].expand(400, 1, 16, 2, 2)
    method({"x": clips, "actions": torch.zeros(400, 15, 2)}, step_at(0, 10, Rows(0, 400, 400)))
    assert method.gaps[:, 0].unique().tolist() == list(range(1, 16))
    assert method.gaps[:, 0].float().mean() == pytest.approx(8, abs=0.8)
    assert (method.gaps[:, 14] == 1).all()


def test_the_body_is_felt_now_and_never_at_the_goal():
    method = replace(TINY, proprio=3).build()
    batch = {"x": torch.randn(8, 3, 4, 16, 16), "actions": torch.randn(8, 3, 2), "proprio": torch.randn(8, 4, 3)}
    method(batch, step_at(0, 10, Rows(0, 8, 8)))
    assert method.body.count == 32
    clip = batch["x"][:, :, :1]
    poses = torch.zeros(8, 1, 3), torch.ones(8, 1, 3)
    here = [method.act(Observation(clip, pose), Observation(clip, poses[0])) for pose in poses]
    assert not torch.allclose(*here)
    there = [method.act(Observation(clip, poses[0]), Observation(clip, pose)) for pose in (*poses, None)]
    assert torch.equal(there[0], there[1])
    assert torch.equal(there[0], there[2])
    assert method.energy(clip, clip).shape == (8,)


def test_a_body_that_is_missing_is_one_sentence():
    clip = torch.randn(2, 3, 1, 16, 16)
    with pytest.raises(ValueError, match="nothing is felt"):
        replace(TINY, proprio=3).build().act(Observation(clip), Observation(clip))
