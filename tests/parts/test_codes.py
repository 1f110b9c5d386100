"""Clips become codes and come back, and what foretells codes sees none of the later ones."""

import pytest
import torch

from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.causal import CausalTransformer
from jepakit.parts.nn.position import IN_TIME, SinCos
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.next_code import NextCode
from jepakit.parts.tokenizers.codes import ClipCodes, Rounding
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.tokens import Tokens


@pytest.fixture
def codes():
    torch.manual_seed(0)
    extent = (2, 2, 2)
    positions = [SinCos(12, extent, IN_TIME, "uniform") for _ in range(2)]
    encoder = Backbone(PatchTokenizer((1, 4, 4), 3, 12), positions[0], Transformer(12, 1, 2))
    return ClipCodes(encoder, positions[1], Transformer(12, 1, 2), (3, 2)).eval()


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    return NextCode(8, CausalTransformer(12, 2, 2), 12, codes=5, context=3, asked=4).eval()


def context(size):
    values = torch.randn(size, 3, 8, generator=torch.Generator().manual_seed(2))
    return Tokens(values, torch.zeros(size, 3, 3))


def test_every_code_has_one_number():
    rounding = Rounding((4, 3, 2))
    vectors = torch.cartesian_prod(*[torch.tensor([-20.0, -0.5, 0.5, 20.0])] * 3)
    values, index = rounding(vectors)
    assert sorted(index.unique().tolist()) == list(range(24))
    assert torch.equal(rounding.look_up(index), values)
    assert len(values.unique(dim=0)) == 24
    assert values.abs().max() == 1


def test_a_rounded_vector_has_the_gradient_of_one_that_was_not():
    vectors = torch.randn(6, 2, requires_grad=True)
    Rounding((5, 3))(vectors)[0].sum().backward()
    (expected,) = torch.autograd.grad((2 * vectors.sigmoid()).sum(), vectors)
    torch.testing.assert_close(vectors.grad, expected)


@pytest.mark.parametrize("levels", [(), (4, 1)])
def test_levels_that_tell_nothing_are_refused(levels):
    with pytest.raises(ValueError, match="2 or more each"):
        Rounding(levels)


def test_codes_are_read_as_they_were_while_writing(codes):
    clips = torch.randn(3, 3, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        coded = codes(clips)
        assert coded.index.shape == (3, 8)
        assert coded.index.unique().numel() > 1
        again = codes.encoder.tokenizer.cut(codes.read(coded.index))
    torch.testing.assert_close(again.values, coded.pixels.values)


def test_a_code_is_foretold_from_those_before_it_alone(predictor):
    first = torch.tensor([[1, 2, 3, 4], [0, 0, 4, 1]])
    for place in range(4):
        changed = first.clone()
        changed[:, place:] = (changed[:, place:] + 1) % 5
        with torch.no_grad():
            before, after = predictor(context(2), first), predictor(context(2), changed)
        assert torch.equal(before[:, : place + 1], after[:, : place + 1])
        if place < 3:
            assert not torch.allclose(before[:, place + 1], after[:, place + 1])


def test_codes_are_drawn_as_often_as_they_are_foretold(predictor):
    """Word by word from memory, or all at once: the same chances of whole sentences."""
    count = 4000
    drawn = predictor.draw(context(2), count, torch.Generator().manual_seed(0))
    assert drawn.shape == (2, count, 4)
    with torch.no_grad():
        odds = predictor(context(2), torch.zeros(2, 4, dtype=torch.long)).softmax(dim=-1)
        assert torch.allclose((drawn[0, :, 0].bincount(minlength=5) / count), odds[0, 0], atol=0.03)
        # The second word, among the drawings that begin with the likeliest word.
        begin = int(odds[0, 0].argmax())
        told = predictor(context(2), torch.tensor([[begin, 0, 0, 0]] * 2)).softmax(dim=-1)[0, 1]
    behind = drawn[0, drawn[0, :, 0] == begin, 1]
    assert torch.allclose(behind.bincount(minlength=5) / len(behind), told, atol=0.06)


def test_another_number_of_codes_is_refused(predictor):
    with pytest.raises(ValueError, match="places were learnt for 4 codes, got 5"):
        predictor(context(1), torch.zeros(1, 5, dtype=torch.long))


def test_another_context_is_refused(predictor):
    with pytest.raises(ValueError, match="a context is 24 numbers here, got 16"):
        predictor(context(1).take(torch.tensor([[0, 1]])), torch.zeros(1, 4, dtype=torch.long))
