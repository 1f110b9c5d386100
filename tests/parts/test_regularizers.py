"""Moments and contrast against independent NumPy, by the equations of the papers; gradients against differences."""

import numpy as np
import pytest
import torch

from jepakit.contracts import Regularizer, Rows, step_at
from jepakit.parts.regularizers.contrastive import InfoNCE, MarginHinge, PairedInfoNCE
from jepakit.parts.regularizers.entropy import MeanEntropy
from jepakit.parts.regularizers.moments import CrossCorrelation, VarianceCovariance
from jepakit.parts.regularizers.sigreg import SIGReg
from jepakit.parts.regularizers.temporal import Straightness, TemporalSimilarity
from jepakit.parts.regularizers.visreg import VISReg

ALL = [VarianceCovariance(), CrossCorrelation(), InfoNCE(0.5), PairedInfoNCE(0.5), MarginHinge(), SIGReg(8)]


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at(count=8):
    return step_at(0, 100, Rows(0, count, count))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def vicreg(z, variance, covariance):
    """Equations 1 to 4 for one view [n d], entry by entry."""
    n, d = z.shape
    lack = sum(max(0.0, 1 - np.sqrt(np.var(z[:, j], ddof=1) + 1e-4)) for j in range(d)) / d
    apart = z - z.mean(axis=0)
    cov = sum(np.outer(row, row) for row in apart) / (n - 1)
    squares = sum(cov[i, j] ** 2 for i in range(d) for j in range(d) if i != j) / d
    return variance * lack + covariance * squares


def barlow(a, b, redundancy):
    """Equations 1 and 2 for two views."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    d, total = a.shape[1], 0.0
    for i in range(d):
        for j in range(d):
            c = (a[:, i] * b[:, j]).sum() / np.sqrt((a[:, i] ** 2).sum()) / np.sqrt((b[:, j] ** 2).sum())
            total += (1 - c) ** 2 if i == j else redundancy * c**2
    return total


def nt_xent(a, b, temperature):
    """Equation 1, anchor by anchor."""
    z, n = unit(np.concatenate([a, b])), len(a)
    total = 0.0
    for i in range(2 * n):
        scores = np.exp(z @ z[i] / temperature)
        total -= np.log(scores[(i + n) % (2 * n)] / (scores.sum() - scores[i]))
    return total / (2 * n)


def moco(guesses, answers, temperature):
    guesses, answers = unit(guesses), unit(answers)
    scores = np.exp(guesses @ answers.T / temperature)
    return -2 * temperature * np.log(np.diag(scores) / scores.sum(axis=1)).mean()


def hinge(a, b, margin):
    total = 0.0
    for asked, answers in ((a, b), (b, a)):
        for i, guess in enumerate(asked):
            energies = ((guess - answers) ** 2).mean(axis=1)
            total += max(0.0, margin + energies[i] - np.delete(energies, i).min())
    return total / (2 * len(a))


def test_variance_and_covariance_are_those_of_vicreg():
    z = draw(2, 12, 5) * 0.8
    expected = np.mean([vicreg(view, 50, 2) for view in z.numpy()])
    assert VarianceCovariance()(z, at()).item() == pytest.approx(expected)
    assert VarianceCovariance(0.0, 3.0)(z, at()).item() == pytest.approx(np.mean([vicreg(v, 0, 3) for v in z.numpy()]))


def test_cross_correlation_is_that_of_barlow_twins():
    z = draw(2, 12, 5)
    assert CrossCorrelation()(z, at()).item() == pytest.approx(barlow(*z.numpy(), 0.005))


def test_cross_correlation_of_a_feature_that_stands_still_is_finite():
    z = draw(2, 12, 5)
    z[:, :, 0] = 1.0
    z.requires_grad_()
    CrossCorrelation()(z, at()).backward()
    assert z.grad.isfinite().all()


def test_info_nce_is_that_of_simclr():
    z = draw(2, 9, 5)
    assert InfoNCE(0.3)(z, at()).item() == pytest.approx(nt_xent(*z.numpy(), 0.3))


def test_paired_info_nce_is_that_of_moco():
    z = draw(2, 9, 5)
    assert PairedInfoNCE(0.3)(z, at()).item() == pytest.approx(moco(*z.numpy(), 0.3))


def test_hinge_asks_for_a_margin_below_the_most_offending_answer():
    z = draw(2, 9, 5)
    assert MarginHinge(0.7)(z, at()).item() == pytest.approx(hinge(*z.numpy(), 0.7))
    apart = 100 * torch.eye(9, dtype=torch.float64).expand(2, 9, 9)
    assert MarginHinge(0.7)(apart, at()).item() == 0


@pytest.mark.parametrize("regularizer", [CrossCorrelation(), InfoNCE(0.3), MarginHinge(), VarianceCovariance()])
def test_more_views_are_the_mean_over_pairs(regularizer):
    z = draw(3, 8, 4)
    expected = np.mean([regularizer(z[[*pair]], at()).item() for pair in ((0, 1), (0, 2), (1, 2))])
    assert regularizer(z, at()).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    "regularizer", [*ALL, MeanEntropy(), TemporalSimilarity(), Straightness()], ids=lambda one: type(one).__name__
)
def test_gradients_are_those_of_differences(regularizer):
    assert isinstance(regularizer, Regularizer)
    z = (0.7 * draw(3 if isinstance(regularizer, Straightness) else 2, 6, 3, seed=5)).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: regularizer(z, at()), z)


def test_the_gradient_of_visreg_is_that_of_differences_where_the_width_of_the_shape_is_held():
    """No gradient flows through the standard deviation that the shape is divided by (2606.02572, equation 2)."""
    regularizer, z = VISReg(8), (0.7 * draw(2, 6, 3, seed=5)).requires_grad_()
    held = (z.detach().var(dim=1, correction=0, keepdim=True) + torch.finfo(z.dtype).tiny).sqrt()

    def by_hand(z):
        mean, deviation = z.mean(dim=1, keepdim=True), z.var(dim=1, correction=0, keepdim=True).sqrt()
        shape = regularizer.sliced((z - mean) / (held + regularizer.epsilon), at())
        return mean.square().mean() + (1 - deviation).square().mean() + shape

    (found,) = torch.autograd.grad(regularizer(z, at()), z)
    differences = torch.zeros_like(z)
    for place in np.ndindex(*z.shape):
        step = torch.zeros_like(z)
        step[place] = 1e-6
        with torch.no_grad():
            differences[place] = (by_hand(z + step) - by_hand(z - step)) / 2e-6
    torch.testing.assert_close(found, differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("regularizer", ALL, ids=lambda one: type(one).__name__)
def test_the_order_of_samples_does_not_matter(regularizer):
    z = draw(2, 10, 4)
    shuffled = z[:, torch.randperm(10, generator=torch.Generator().manual_seed(1))]
    torch.testing.assert_close(regularizer(shuffled, at()), regularizer(z, at()))


@pytest.mark.parametrize("regularizer", ALL, ids=lambda one: type(one).__name__)
def test_half_precision_is_not_used_inside(regularizer):
    z = draw(2, 16, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = regularizer(z, at())
    torch.testing.assert_close(found, regularizer(z.float(), at()))


@pytest.mark.parametrize("regularizer", [CrossCorrelation(), InfoNCE(), MarginHinge()])
def test_a_single_view_is_a_sentence(regularizer):
    with pytest.raises(ValueError, match="got one view"):
        regularizer(draw(1, 8, 4), at())


@pytest.mark.parametrize("make", [lambda: InfoNCE(0.0), lambda: PairedInfoNCE(-1.0), lambda: MarginHinge(0.0)])
def test_numbers_that_must_be_positive_are_asked_for(make):
    with pytest.raises(ValueError, match="must be above 0"):
        make()
