"""A summary forgets no place, and says which size it was made for."""

import pytest
import torch
from torch import nn

from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.position import Rotary
from jepakit.parts.nn.summary import Summary
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.tokenizers.patches import PatchTokenizer


@pytest.fixture
def summary():
    torch.manual_seed(0)
    backbone = Backbone(PatchTokenizer((2, 8, 8), 3, 16), Rotary(8), Transformer(16, 1, 2))
    return Summary(backbone, 4, nn.Linear(4 * 16, 5))


def test_the_one_token_is_the_head_of_all_tokens_side_by_side(summary):
    clips = torch.randn(3, 3, 2, 16, 16)
    token = summary(clips)
    assert token.values.shape == (3, 1, 5)
    assert token.extent == (1, 1, 1)
    assert (token.coords == 0).all()
    assert torch.equal(token.values[:, 0], summary.head(summary.backbone(clips).values.flatten(1)))


def test_it_tells_where_a_thing_is_which_a_mean_over_tokens_cannot(summary):
    clip = torch.zeros(1, 3, 2, 16, 16)
    clip[..., :8, :8] = 1.0
    moved = clip.flip(3)
    assert (summary(clip).values - summary(moved).values).abs().amax() > 0.1
    torch.testing.assert_close(summary.backbone(clip).pooled(), summary.backbone(moved).pooled(), atol=0.05, rtol=0)


def test_flops_are_those_of_backbone_and_head(summary):
    assert summary.flops(4) == summary.backbone.flops(4) + 2 * 4 * 16 * 5


def test_another_size_gets_one_sentence(summary):
    with pytest.raises(ValueError, match="summary of 4 tokens"):
        summary(torch.randn(1, 3, 2, 32, 16))
