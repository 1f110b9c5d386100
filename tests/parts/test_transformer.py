"""Attention, blocks and levels against explicit formulas, and against themselves with tokens left out."""

import pytest
import torch

from jepakit.parts.nn.attention import Attention
from jepakit.parts.nn.initialize import initialize
from jepakit.parts.nn.transformer import Block, Transformer
from jepakit.tokens import Tokens


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return Attention(12, 3).double()


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Transformer(12, 3, 3).double()


def tokens(values, valid=None):
    return Tokens(values.float().double(), torch.zeros(*values.shape[:2], 2), valid, (4, 4))


def explicit_attention(layer, x, valid):
    """Head by head and sample by sample, leaving invalid tokens out instead of masking them."""
    d, size = x.shape[-1], x.shape[-1] // layer.heads
    out = torch.zeros_like(x)
    for sample in range(len(x)):
        q, k, v = (x[sample] @ layer.qkv.weight.T + layer.qkv.bias).split(d, dim=1)
        for head in range(layer.heads):
            part = slice(head * size, (head + 1) * size)
            keys, answers = k[valid[sample], part], v[valid[sample], part]
            out[sample, :, part] = torch.softmax(q[:, part] @ keys.T / size**0.5, dim=1) @ answers
    return out @ layer.projection.weight.T + layer.projection.bias


def test_attention_is_softmax_over_valid_tokens(attention):
    x = draw(3, 7, 12)
    valid = torch.ones(3, 7, dtype=torch.bool)
    torch.testing.assert_close(attention(x), explicit_attention(attention, x, valid))
    valid[0, 5:], valid[2, [0, 3]] = False, False
    torch.testing.assert_close(attention(x, valid), explicit_attention(attention, x, valid))


def test_what_invalid_tokens_hold_changes_nothing(attention):
    x, valid = draw(2, 6, 12), torch.ones(2, 6, dtype=torch.bool)
    valid[:, 4:] = False
    changed = x.clone()
    changed[:, 4:] = 1e3
    assert torch.equal(attention(x, valid)[:, :4], attention(changed, valid)[:, :4])


def test_the_last_tokens_alone_equal_the_last_of_all(attention, encoder):
    x, valid = draw(2, 7, 12), torch.ones(2, 7, dtype=torch.bool)
    valid[1, :2] = False
    torch.testing.assert_close(attention(x, valid, last=3), attention(x, valid)[:, -3:])
    found, everything = encoder(tokens(x, valid), last=3), encoder(tokens(x, valid))
    torch.testing.assert_close(found.values, everything.values[:, -3:])
    assert torch.equal(found.valid, valid[:, -3:])
    assert found.coords.shape == (2, 3, 2)


def test_padding_equals_each_sample_by_itself(encoder):
    x, valid = draw(3, 8, 12), torch.ones(3, 8, dtype=torch.bool)
    for sample, length in enumerate((8, 5, 2)):
        valid[sample, length:] = False
    padded = encoder(tokens(x, valid)).values
    for sample, length in enumerate((8, 5, 2)):
        alone = encoder(tokens(x[sample : sample + 1, :length])).values
        torch.testing.assert_close(padded[sample : sample + 1, :length], alone)


def test_order_of_tokens_does_not_matter(encoder):
    x, order = draw(2, 9, 12), torch.randperm(9)
    torch.testing.assert_close(encoder(tokens(x[:, order])).values, encoder(tokens(x)).values[:, order])


def test_block_is_pre_norm_with_residuals():
    block = Block(8, 2, 32, 1e-6).double()
    x = draw(2, 5, 8)
    after = x + block.attention(block.attention_norm(x))
    hidden = block.mlp.expand(block.mlp_norm(after))
    gelu = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    torch.testing.assert_close(block(x), after + block.mlp.contract(gelu))


def test_levels_stand_side_by_side_each_through_the_norm(encoder):
    x = draw(2, 5, 12)
    level, expected = x, []
    for block in encoder.blocks:
        level = block(level)
        expected.append(encoder.norm(level))
    torch.testing.assert_close(encoder(tokens(x)).values, expected[2])
    both = encoder(tokens(x), layers=(0, -1)).values
    torch.testing.assert_close(both, torch.cat([expected[0], expected[2]], dim=-1))
    some = encoder(tokens(x), layers=(1, 2), last=2).values
    torch.testing.assert_close(some, torch.cat([expected[1], expected[2]], dim=-1)[:, -2:])


@pytest.mark.parametrize("layers", [(3,), (-4,), ()])
def test_levels_that_are_not_there_are_refused(encoder, layers):
    with pytest.raises(ValueError, match="levels 0 to 2"):
        encoder(tokens(draw(1, 2, 12)), layers=layers)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="5 heads do not divide a width of 12"):
        Attention(12, 5)


@pytest.mark.parametrize("kind", ["flat", "depth_scaled", "fan_in"])
def test_initial_spread(kind):
    torch.manual_seed(0)
    encoder = Transformer(192, 4, 3)
    initialize(encoder, kind)
    for index, block in enumerate(encoder.blocks):
        base = 192**-0.5 if kind == "fan_in" else 0.02
        scale = (2 * (index + 1)) ** -0.5 if kind == "depth_scaled" else 1.0
        assert block.attention.qkv.weight.std().item() == pytest.approx(base, rel=0.05)
        assert block.attention.projection.weight.std().item() == pytest.approx(base * scale, rel=0.05)
        assert not block.mlp.expand.bias.any()
