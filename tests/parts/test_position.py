"""Positions against a NumPy loop written from the formula, and their interpolation."""

import copy

import numpy as np
import pytest
import torch

from jepakit.parts.nn.position import Rotary, SinCos, Table, grid, sin_cos


def one_axis(place, share):
    """Vaswani et al. 2017, section 3.5, with all sines before all cosines: one place, one axis."""
    vector = np.zeros(share)
    for channel in range(share // 2):
        angle = place / 10_000 ** (channel / (share / 2))
        vector[channel], vector[share // 2 + channel] = np.sin(angle), np.cos(angle)
    return vector


@pytest.mark.parametrize("order", [(1, 0), (0, 1)])
def test_two_axes_equal_a_plain_loop(order):
    table = sin_cos(grid((3, 5)), 16, order)
    for row in range(3):
        for column in range(5):
            place = (row, column)
            expected = np.concatenate([one_axis(place[axis], 8) for axis in order])
            np.testing.assert_allclose(table[row * 5 + column].numpy(), expected, atol=1e-6)


def test_the_two_orders_are_swapped_halves():
    coords = grid((4, 6))
    columns, rows = sin_cos(coords, 12, (1, 0)).chunk(2, dim=1)
    assert torch.equal(sin_cos(coords, 12, (0, 1)), torch.cat([rows, columns], dim=1))


def test_far_places_are_exact():
    """In float32, angles of a thousand have lost four digits; the table is made in float64."""
    far = torch.tensor([[1999.0]])
    np.testing.assert_allclose(sin_cos(far, 8, (0,))[0].numpy(), one_axis(1999, 8), atol=1e-6)


def test_three_axes():
    table = sin_cos(grid((2, 3, 4)), 24, (0, 1, 2))
    expected = np.concatenate([one_axis(place, 8) for place in (1, 2, 3)])
    np.testing.assert_allclose(table[-1].numpy(), expected, atol=1e-6)


def test_lookup_follows_coords_and_not_order():
    position = SinCos(16, (4, 5))
    coords = grid((4, 5))[torch.tensor([7, 0, 19])].expand(2, -1, -1)
    table = sin_cos(grid((4, 5)), 16, (1, 0))
    assert torch.equal(position(coords, (4, 5))[1], table[[7, 0, 19]])


def test_other_grids_are_interpolated_between_neighbors():
    """Wider grids see the same picture: a constant table stays constant, a ramp stays a ramp."""
    table = Table(4, (4, 8))
    with torch.no_grad():
        table.vectors[:, 0] = 3.0
        table.vectors[:, 1] = grid((4, 8))[:, 1]
    wide = table(grid((4, 16)).unsqueeze(0), (4, 16))[0].unflatten(0, (4, 16))
    torch.testing.assert_close(wide[..., 0], torch.full((4, 16), 3.0))
    assert torch.equal(wide[0], wide[3])
    assert (wide[0, 1:, 1] > wide[0, :-1, 1]).all()
    torch.testing.assert_close(wide[0, 4:12, 1], (torch.arange(4, 12) + 0.5) / 2 - 0.5, atol=0.05, rtol=0)


def test_new_weights_renew_the_interpolated_table():
    table = Table(4, (2, 2))
    coords = grid((3, 3)).unsqueeze(0)
    before = table(coords, (3, 3)).clone()
    table.load_state_dict({"vectors": torch.ones(4, 4)})
    assert not torch.equal(table(coords, (3, 3)), before)


def test_a_copy_is_independent_and_equal():
    position = SinCos(8, (2, 3))
    coords = grid((2, 3)).unsqueeze(0)
    assert torch.equal(copy.deepcopy(position)(coords, (2, 3)), position(coords, (2, 3)))
    assert not position.state_dict()


def test_widths_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="divisible by 4, got 6"):
        SinCos(6, (3, 3))
    with pytest.raises(ValueError, match="do not fit one of"):
        SinCos(12, (2, 2, 2))(grid((2, 3)).unsqueeze(0), (2, 3))


def test_sines_go_on_behind_the_grid():
    """On the trained grid nothing changes, and behind it the formula goes on, while a table would have no row."""
    position, longer = SinCos(24, (4, 2, 3), (0, 1, 2)), grid((7, 2, 3))
    found = position(longer, (4, 2, 3), beyond=3)
    assert torch.equal(found[:24], position(grid((4, 2, 3)), (4, 2, 3)))
    for row in (24, 35, 41):
        expected = np.concatenate([one_axis(place, 8) for place in longer[row].tolist()])
        np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-6)


def test_behind_another_grid_steps_are_those_of_the_trained_one():
    """Of a grid twice as long, two steps are one step of the trained grid, as in the interpolated table."""
    position, last = SinCos(24, (8, 2, 3), (0, 1, 2)), torch.tensor([[16.0, 1.0, 2.0]])
    found = position(last, (16, 2, 3), beyond=1)[0]
    expected = np.concatenate([one_axis(place, 8) for place in (7.75, 1, 2)])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_a_table_ends_with_its_grid():
    with pytest.raises(ValueError, match="nothing can be predicted behind it"):
        Table(4, (2, 2, 2))(grid((3, 2, 2)), (2, 2, 2), beyond=1)


@pytest.mark.parametrize("trained", [None, 6])
def test_rotations_go_on_behind_the_grid(trained):
    """The angles of a longer grid, whatever the one at hand; rows and columns are scaled as before."""
    rotary, coords = Rotary(12, "exact", trained), grid((7, 2, 3)).unsqueeze(0)
    behind, whole = rotary.rotation(coords, (4, 2, 3), beyond=3), rotary.rotation(coords, (7, 2, 3))
    assert torch.equal(behind.cos, whole.cos)
    assert torch.equal(behind.sin, whole.sin)
    assert not torch.equal(behind.cos[:, -1], behind.cos[:, 23])
