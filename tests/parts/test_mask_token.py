"""The predictor: each block on its own, told places and nothing else."""

import pytest
import torch

from jepakit.parts.nn.position import SinCos, grid
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.tokens import Places, Tokens

EXTENT = (4, 4)


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    made = MaskTokenPredictor(8, SinCos(12, EXTENT), Transformer(12, 2, 3), 12, 8, families=2, mask_std=0.5)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


def context(valid=None, seed=0):
    values = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(seed))
    return Tokens(values, grid(EXTENT)[[0, 1, 4, 7, 9]].expand(2, -1, -1), valid, EXTENT)


def places(*blocks, valid=None):
    coords = torch.stack([grid(EXTENT)[list(block)] for block in blocks])
    return Places(coords.expand(2, -1, -1, -1), valid)


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_it_is_a_transformer_over_context_and_mask_tokens(predictor):
    """Spelled out for one block: embed, add positions, append mask tokens, encode, read off the last ones."""
    seen, asked = context(), places((2, 3, 6))
    table = predictor.position(grid(EXTENT), EXTENT)
    known = predictor.embedding(seen.values) + table[[0, 1, 4, 7, 9]]
    unknown = (predictor.mask_tokens[1] + table[[2, 3, 6]]).expand(2, -1, -1)
    x = torch.cat([known, unknown], dim=1)
    for block in predictor.encoder.blocks:
        x = block(x)
    expected = predictor.projection(predictor.encoder.norm(x))[:, -3:]
    close(predictor(seen, asked, family=1).places.values, expected)


def test_each_block_is_predicted_on_its_own(predictor):
    both = predictor(context(), places((2, 3), (10, 11))).places.values
    close(both[:, :2], predictor(context(), places((2, 3))).places.values)
    close(both[:, 2:], predictor(context(), places((10, 11))).places.values)


def test_order_of_context_and_of_blocks_does_not_matter(predictor):
    seen, order = context(), torch.tensor([3, 0, 4, 2, 1])
    shuffled = Tokens(seen.values[:, order], seen.coords[:, order], None, EXTENT)
    close(predictor(shuffled, places((2, 3))).places.values, predictor(seen, places((2, 3))).places.values)
    close(predictor(seen, places((3, 2))).places.values, predictor(seen, places((2, 3))).places.values.flip(1))


def test_padded_context_equals_less_context(predictor):
    valid = torch.tensor([[True, True, True, False, False]]).expand(2, -1)
    less = context()
    less = Tokens(less.values[:, :3], less.coords[:, :3], None, EXTENT)
    close(
        predictor(context(valid), places((2, 3), (10, 11))).places.values,
        predictor(less, places((2, 3), (10, 11))).places.values,
    )


def test_padded_places_equal_fewer_places(predictor):
    valid = torch.tensor([[[True, True, False], [True, True, False]]]).expand(2, -1, -1)
    found = predictor(context(), places((2, 3, 0), (10, 11, 0), valid=valid)).places
    expected = predictor(context(), places((2, 3), (10, 11))).places.values
    close(found.values.unflatten(1, (2, 3))[:, :, :2].flatten(1, 2), expected)
    assert torch.equal(found.valid, valid.flatten(1))


def test_places_differ_by_where_they_are_and_families_by_their_token(predictor):
    here = predictor(context(), places((2, 3))).places.values
    assert not torch.allclose(here[:, 0], here[:, 1], atol=1e-3)
    assert not torch.allclose(here, predictor(context(), places((2, 3)), family=1).places.values, atol=1e-3)


def test_every_parameter_gets_the_gradient_of_the_spelled_out_form(predictor):
    """Shared work must not change what is learnt: gradients of two blocks equal the sum of the blocks alone."""
    seen, weight = context(), torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(4))
    names, parameters = zip(*predictor.named_parameters(), strict=True)
    both = (predictor(seen, places((2, 3), (10, 11))).places.values * weight).sum()
    found = torch.autograd.grad(both, parameters)
    alone = [
        (predictor(seen, places(block)).places.values * part).sum()
        for block, part in zip(((2, 3), (10, 11)), weight.split(2, dim=1), strict=True)
    ]
    expected = torch.autograd.grad(alone[0] + alone[1], parameters)
    for name, mine, theirs in zip(names, found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4, msg=name)


def test_what_comes_next_is_predicted_as_on_a_longer_grid():
    """Places behind the context's grid get the vectors that they would have if the grid were longer."""
    torch.manual_seed(0)
    short, longer = (
        MaskTokenPredictor(8, SinCos(12, extent, (0, 1, 2)), Transformer(12, 2, 3), 12, 8, mask_std=0.5)
        for extent in ((2, 2, 2), (4, 2, 2))
    )
    for parameter in short.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    longer.load_state_dict(short.state_dict())
    cells, values = grid((4, 2, 2)).expand(2, -1, -1), torch.randn(2, 8, 8)
    asked = cells[:, 12:].unsqueeze(1)
    found = short(Tokens(values, cells[:, :8], None, (2, 2, 2)), Places(asked, beyond=2)).places
    expected = longer(Tokens(values, cells[:, :8], None, (4, 2, 2)), Places(asked)).places
    close(found.values, expected.values)
    assert torch.equal(found.coords, cells[:, 12:])
