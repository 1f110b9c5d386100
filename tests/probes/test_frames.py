"""A picture backbone that reads videos: frame by frame, with the moment beside."""

import pytest
import torch

from jepakit.family.ijepa import TINY
from jepakit.probes.frames import PerFrame


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return TINY.build().kept.eval()


def test_every_frame_is_read_alone(backbone):
    clips = torch.randn(2, TINY.channels, 3, *TINY.image)
    frames = PerFrame(backbone)
    tokens = frames(clips)
    per_frame = tokens.values.unflatten(1, (3, -1))
    for moment in range(3):
        alone = backbone(clips[:, :, moment])
        torch.testing.assert_close(per_frame[:, moment, :, : backbone.dim], alone.values, rtol=1e-5, atol=1e-5)
        here = tokens.coords.unflatten(1, (3, -1))[:, moment]
        assert here[..., 0].eq(moment).all()
        assert here[..., 1:].equal(alone.coords)
    assert tokens.values.shape[2] == frames.dim
    assert tokens.extent == (3, *TINY.extent)


def test_moments_differ_and_are_the_same_in_all_clips(backbone):
    tokens = PerFrame(backbone)(torch.randn(2, TINY.channels, 3, *TINY.image))
    waves = tokens.values[..., backbone.dim :].unflatten(1, (3, -1))
    assert waves[0].equal(waves[1])
    moments = waves[0, :, 0]
    assert torch.cdist(moments, moments).fill_diagonal_(1).min() > 0.1
    assert waves[0].equal(moments[:, None].expand_as(waves[0]))


def test_some_tokens_and_one_level(backbone):
    clips = torch.randn(1, TINY.channels, 2, *TINY.image)
    keep = torch.tensor([[5, 1]])
    frames = PerFrame(backbone)
    torch.testing.assert_close(frames(clips, keep).values, frames(clips).values[:, [5, 1]])
    torch.testing.assert_close(frames(clips, layers=(-1,)).values, frames(clips).values)
    with pytest.raises(ValueError, match="one level"):
        frames(clips, layers=(-2, -1))
