"""Both sides of the benchmark of V-JEPA 2's step make the same step, with the same kind of masks."""

from dataclasses import replace

import pytest
import torch

from benchmarks.plain_video import PlainVJEPA2, turn
from benchmarks.steps import largest_difference, noise
from benchmarks.vjepa2_step import TOLERANCE
from jepakit.family.vjepa2 import TINY
from jepakit.parts.nn.position import Rotary, grid

SIZES = replace(TINY, image=(64, 64), frames=8)


@pytest.fixture
def sides():
    torch.manual_seed(0)
    method = SIZES.build()
    with torch.no_grad():  # so that nothing is equal for being zero
        for parameter in method.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        for average, current in zip(method.target.parameters(), method.backbone.parameters(), strict=True):
            average.copy_(current)
    return method, PlainVJEPA2(SIZES, method)


def test_loss_and_gradients_are_equal(sides):
    method, plain = sides
    x = noise(SIZES, 3)
    assert x.shape == (3, 3, 8, 64, 64)
    assert largest_difference(method, plain, x) < TOLERANCE
    with torch.no_grad():
        plain.encoder.blocks[1].attention.qkv.weight.mul_(1.1)
    assert largest_difference(method, plain, x) > TOLERANCE


def test_angles_made_in_every_block_are_those_of_the_table():
    extent, index = (4, 3, 5), torch.tensor([[0, 7, 59, 22], [3, 3, 41, 16]])
    x = torch.randn(2, 2, 4, 20, generator=torch.Generator().manual_seed(0))
    coords = grid(extent)[index]
    expected = Rotary(20, "exact").rotation(coords, extent).turn(x)
    torch.testing.assert_close(turn(x, index, extent), expected, atol=1e-5, rtol=1e-5)


def test_masks_drawn_clip_by_clip_share_the_places_out(sides):
    _, plain = sides
    masks = plain.draw(5, torch.Generator().manual_seed(0))
    assert len(masks) == len(SIZES.blocks)
    places = SIZES.extent[0] * SIZES.extent[1] * SIZES.extent[2]
    for context, targets in masks:
        assert context.shape[0] == targets.shape[0] == 5
        assert max(context.max(), targets.max()) < places
        for seen, hidden in zip(context.tolist(), targets.tolist(), strict=True):
            assert not set(seen) & set(hidden)
