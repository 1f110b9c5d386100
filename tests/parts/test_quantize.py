"""Integers for floats: near the layer they stand for, exact where integers are, and only where they are wanted."""

import pytest
import torch

from jepakit.family.ijepa import TINY
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.quantize import Int8Linear, quantize


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("biased", [True, False])
def test_values_are_near_those_of_the_layer(biased):
    layer, x = Linear(64, 32, bias=biased), draw(3, 20, 64)
    torch.testing.assert_close(Int8Linear(layer)(x), layer(x), atol=0.05, rtol=0)


def test_integers_go_through_unchanged():
    layer = Linear(32, 8)
    integers = torch.randint(-127, 128, (8, 32), generator=torch.Generator().manual_seed(0)).float()
    integers[:, 0] = 127.0
    with torch.no_grad():
        layer.weight.copy_(integers)
    x = torch.randint(-127, 128, (20, 32), generator=torch.Generator().manual_seed(1)).float()
    x[:, 0] = -127.0
    torch.testing.assert_close(Int8Linear(layer)(x), layer(x), atol=1e-2, rtol=1e-5)


def test_a_loud_token_leaves_the_others_their_precision():
    layer, x = Linear(64, 32), draw(2, 20, 64)
    loud = x.clone()
    loud[:, 0] *= 1e4
    smaller = Int8Linear(layer)
    assert torch.equal(smaller(loud)[:, 1:], smaller(x)[:, 1:])


def test_zero_tokens_give_the_bias():
    layer = Linear(16, 8)
    torch.testing.assert_close(Int8Linear(layer)(torch.zeros(20, 16)), layer.bias.detach().expand(20, -1))


def test_a_quantized_backbone_is_a_copy_with_nearly_the_same_features():
    torch.manual_seed(0)
    backbone = TINY.build().backbone
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    smaller, x = quantize(backbone), draw(4, 3, 32, 32)
    cosine = torch.cosine_similarity(smaller(x).values, backbone(x).values, dim=-1)
    assert cosine.min() > 0.99
    assert not torch.equal(smaller(x).values, backbone(x).values)
    assert all(torch.equal(before[name], tensor) for name, tensor in backbone.state_dict().items())
    assert isinstance(smaller.encoder.blocks[0].mlp.expand, Int8Linear)
    assert isinstance(smaller.tokenizer.projection, Linear)
    assert not any(parameter.requires_grad for parameter in smaller.parameters())
