"""Patches against the strided convolution they stand for, and backbones that drop tokens."""

import pytest
import torch
import torch.nn.functional as F

from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.position import SinCos
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.tokenizers.patches import PatchTokenizer


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return Backbone(PatchTokenizer((4, 4), 3, 16), SinCos(16, (3, 5)), Transformer(16, 2, 2))


def test_pictures_equal_a_convolution():
    torch.manual_seed(0)
    tokenizer, x = PatchTokenizer((4, 2), 3, 8), torch.randn(2, 3, 12, 10)
    weight = tokenizer.projection.weight.view(8, 3, 4, 2)
    expected = F.conv2d(x, weight, tokenizer.projection.bias, stride=(4, 2)).flatten(2).transpose(1, 2)
    found = tokenizer(x)
    torch.testing.assert_close(found.values, expected, atol=1e-5, rtol=1e-5)
    assert found.extent == (3, 5)
    assert found.coords[1, 7].tolist() == [1.0, 2.0]


def test_clips_equal_a_convolution():
    torch.manual_seed(0)
    tokenizer, x = PatchTokenizer((2, 4, 4), 1, 8), torch.randn(2, 1, 4, 8, 12)
    weight = tokenizer.projection.weight.view(8, 1, 2, 4, 4)
    expected = F.conv3d(x, weight, tokenizer.projection.bias, stride=(2, 4, 4)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokenizer(x).values, expected, atol=1e-5, rtol=1e-5)
    assert tokenizer(x).coords[0, -1].tolist() == [1.0, 1.0, 2.0]


def test_kept_tokens_equal_those_of_the_whole_picture():
    tokenizer, x = PatchTokenizer((4, 4), 3, 8), torch.randn(2, 3, 12, 20)
    keep = torch.tensor([[0, 7, 14], [3, 2, -1]])
    found, everything = tokenizer(x, keep), tokenizer(x)
    torch.testing.assert_close(found.values[0], everything.values[0, keep[0]])
    torch.testing.assert_close(found.values[1, :2], everything.values[1, keep[1, :2]])
    assert found.valid.tolist() == [[True] * 3, [True, True, False]]
    assert torch.equal(found.coords[0], everything.coords[0, keep[0]])


@pytest.mark.parametrize(
    ("shape", "sentence"), [((1, 3, 13, 20), "do not tile"), ((1, 1, 12, 20), "expected"), ((1, 3, 12), "expected")]
)
def test_sizes_that_do_not_fit_are_refused(shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        PatchTokenizer((4, 4), 3, 8)(torch.zeros(shape))


def test_integers_are_refused_with_a_sentence(backbone):
    with pytest.raises(TypeError, match=r"backbone\.transform"):
        backbone(torch.zeros(1, 3, 12, 20, dtype=torch.uint8))


def test_dropped_pixels_change_nothing(backbone):
    x, keep = torch.randn(2, 3, 12, 20), torch.tensor([[0, 1, 2, 8], [4, 5, 13, 14]])
    hidden = torch.ones(2, 15).scatter_(1, keep, 0.0).view(2, 1, 3, 5)
    noise = 50 * hidden.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.equal(backbone(x, keep).values, backbone(x + noise, keep).values)


def test_padded_context_equals_each_sample_by_itself(backbone):
    x, keep = torch.randn(2, 3, 12, 20), torch.tensor([[0, 1, 2, 8], [4, 5, -1, -1]])
    padded = backbone(x, keep).values
    torch.testing.assert_close(padded[1:, :2], backbone(x[1:], keep[1:, :2]).values, atol=1e-5, rtol=1e-5)


def test_other_sizes_are_seen_too(backbone):
    assert backbone(torch.randn(1, 3, 20, 8)).values.shape == (1, 10, 16)


@pytest.mark.parametrize(("patch", "shape"), [((4, 2), (2, 3, 8, 6)), ((2, 4, 2), (2, 3, 4, 8, 6))])
def test_pasting_undoes_cutting(patch, shape):
    tokenizer, x = PatchTokenizer(patch, 3, 5), torch.randn(shape)
    assert torch.equal(tokenizer.paste(tokenizer.cut(x)), x)
