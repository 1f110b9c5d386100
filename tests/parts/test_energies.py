"""Energies against NumPy, over valid tokens only."""

import numpy as np
import pytest
import torch

from jepakit.parts.energies import CrossEntropy, cosine, l1, l2, nearness, root_l2, smooth_l1
from jepakit.tokens import Tokens


def draw(seed):
    return 2 * torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def oracle(kind, prediction, target):
    """The energy of one sample's tokens [n d]."""
    error = np.abs(prediction - target)
    if kind == "l1":
        return error.mean()
    if kind == "l2":
        return (error**2).mean()
    if kind == "smooth_l1":
        return np.where(error < 1, 0.5 * error**2, error - 0.5).mean()
    lengths = np.linalg.norm(prediction, axis=1) * np.linalg.norm(target, axis=1)
    return (1 - (prediction * target).sum(axis=1) / lengths).mean()


@pytest.mark.parametrize("energy", [smooth_l1, l1, l2, cosine], ids=lambda energy: energy.__name__)
@pytest.mark.parametrize("padded", [False, True])
def test_energy_is_the_mean_over_valid_tokens(energy, padded):
    prediction, target, coords = draw(0), draw(1), torch.zeros(3, 5, 2)
    valid = torch.ones(3, 5, dtype=torch.bool)
    if padded:
        valid[0, 3:], valid[2, 0] = False, False
    found = energy(Tokens(prediction, coords), Tokens(target, coords, valid if padded else None))
    for sample in range(3):
        keep = valid[sample].numpy()
        expected = oracle(energy.__name__, prediction[sample].numpy()[keep], target[sample].numpy()[keep])
        assert found[sample].item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("energy", [smooth_l1, l1, l2, cosine], ids=lambda energy: energy.__name__)
def test_energy_of_the_answer_itself_is_zero_and_invalid_tokens_pull_at_nothing(energy):
    values, coords = draw(0), torch.zeros(3, 5, 2)
    valid = torch.ones(3, 5, dtype=torch.bool)
    valid[:, 4] = False
    guess = (values + 0.5).requires_grad_()
    assert energy(Tokens(values, coords), Tokens(values, coords)).abs().max() < 1e-12
    energy(Tokens(guess, coords), Tokens(values, coords, valid)).sum().backward()
    assert not guess.grad[:, 4].any()
    assert guess.grad[:, :4].any()


@pytest.mark.parametrize("energy", [smooth_l1, l1, l2, root_l2, cosine, CrossEntropy(0.3)], ids=str)
def test_gradients_are_those_of_differences(energy):
    """Over valid tokens, in the prediction and in the answer; of a cross-entropy the answer is a distribution."""
    coords, valid = torch.zeros(3, 5, 2), torch.ones(3, 5, dtype=torch.bool)
    valid[1, 2:] = False
    inputs = draw(0).requires_grad_(), draw(1).softmax(dim=-1).requires_grad_()

    def energies(prediction, target):
        return energy(Tokens(prediction, coords), Tokens(target, coords, valid))

    assert torch.autograd.gradcheck(energies, inputs)


def test_cross_entropy_is_that_of_numpy():
    scores, answer, coords = draw(0), draw(1).softmax(dim=-1), torch.zeros(3, 5, 2)
    chances = np.exp(scores.numpy() / 0.3)
    chances /= chances.sum(axis=-1, keepdims=True)
    expected = -(answer.numpy() * np.log(chances)).sum(axis=-1).mean(axis=1)
    found = CrossEntropy(0.3)(Tokens(scores, coords), Tokens(answer, coords))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_distances_are_counted_in_units_of_grid_steps():
    seen = Tokens(torch.zeros(1, 3, 1), torch.tensor([[[0.0, 0.0], [0.0, 3.0], [0.0, 8.0]]]))
    hidden = Tokens(torch.zeros(1, 1, 1), torch.tensor([[[0.0, 4.0]]]))
    torch.testing.assert_close(nearness(seen, hidden), torch.tensor([[0.5, 1.0, 0.5]]))
    torch.testing.assert_close(nearness(seen, hidden, 2), torch.tensor([[2.0, 0.5, 2.0]]).rsqrt())
