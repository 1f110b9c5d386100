"""A predictor that is told more than what was seen."""

import pytest
import torch

from jepakit.parts.nn.position import Rotary, grid
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.conditions import ConditionedPredictor
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.tokens import Places, Tokens


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    return ConditionedPredictor(MaskTokenPredictor(12, Rotary(8), Transformer(16, 2, 2), 16, 12), dim=12, width=3)


@pytest.fixture
def context():
    return Tokens(torch.randn(2, 8, 12), grid((2, 2, 2)).expand(2, -1, -1), None, (2, 2, 2))


@pytest.fixture
def places():
    coords = grid((1, 2, 2)).expand(2, -1, -1).clone()
    coords[..., 0] += 2
    return Places(coords.unsqueeze(1), beyond=1)


def test_each_sample_is_told_its_own_condition(predictor, context, places):
    condition = torch.randn(2, 1, 3)
    first = predictor(context, places, condition=condition).places.values
    assert first.shape == (2, 4, 12)
    other = predictor(context, places, condition=torch.stack([condition[0], -condition[1]])).places.values
    assert torch.equal(first[0], other[0])
    assert (first[1] - other[1]).abs().amax() > 1e-4


def test_several_conditions_of_one_moment_have_no_order(predictor, context, places):
    conditions = torch.randn(2, 3, 3)
    first, other = (
        predictor(context, places, condition=told).places.values for told in (conditions, conditions.flip(1))
    )
    torch.testing.assert_close(first, other, atol=1e-5, rtol=1e-5)


def test_padding_of_the_context_is_never_read(predictor, context, places):
    valid = torch.ones(2, 8, dtype=torch.bool)
    valid[:, 5:] = False
    noisy = context.values.clone()
    noisy[:, 5:] += 100
    first, other = (
        predictor(Tokens(values, context.coords, valid, context.extent), places, condition=torch.ones(2, 1, 3))
        for values in (context.values, noisy)
    )
    torch.testing.assert_close(first.places.values, other.places.values)


def test_a_missing_condition_gets_one_sentence(predictor, context, places):
    with pytest.raises(ValueError, match="condition of 3 numbers"):
        predictor(context, places)
