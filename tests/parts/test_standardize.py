"""Numbers of one size: the moments are those of all that was seen, batch by batch."""

import pytest
import torch

from jepakit.parts.nn.standardize import Standardize


def test_moments_of_batches_are_those_of_all():
    rows = torch.randn(90, 3) * torch.tensor([0.01, 1.0, 50.0]) + torch.tensor([5.0, 0.0, -3.0])
    scale = Standardize(3)
    for part in rows.split((7, 40, 1, 42)):
        scale.learn(part)
    torch.testing.assert_close(scale.mean, rows.mean(dim=0))
    torch.testing.assert_close(scale.variance, rows.var(dim=0, correction=0))
    torch.testing.assert_close(scale(rows).std(dim=0, correction=0), torch.ones(3))
    torch.testing.assert_close(scale.restore(scale(rows)), rows)


def test_what_does_not_vary_keeps_its_size():
    scale = Standardize(2)
    scale.learn(torch.tensor([[4.0, 1.0], [4.0, 3.0]]))
    torch.testing.assert_close(scale(torch.tensor([[5.0, 2.0]])), torch.tensor([[1.0, 0.0]]))


def test_one_that_learns_nothing_changes_nothing():
    scale, rows = Standardize(2, learns=False), torch.randn(5, 2)
    scale.learn(rows + 3)
    assert torch.equal(scale(rows), rows)


@pytest.mark.parametrize("ask", [Standardize.forward, Standardize.learn])
def test_another_number_of_numbers_is_refused(ask):
    with pytest.raises(ValueError, match="made for vectors of 3 numbers and these have 4"):
        ask(Standardize(3), torch.randn(2, 4))


def test_checkpoints_carry_the_moments():
    scale, other = Standardize(2), Standardize(2)
    scale.learn(torch.randn(20, 2) + 4)
    other.load_state_dict(scale.state_dict())
    assert torch.equal(other.mean, scale.mean)
    assert other.mean.abs().min() > 1
