"""Tests of N(0, 1) against SciPy, or formulas written out by hand; VISReg against its equations."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from jepakit.contracts import Rows, step_at
from jepakit.parts.regularizers import normality
from jepakit.parts.regularizers.samples import Samples
from jepakit.parts.regularizers.sigreg import Sliced, draw_directions
from jepakit.parts.regularizers.visreg import SlicedWasserstein, VISReg

N = 60
TESTS = [
    normality.Moments(), normality.ExtendedJarqueBera(), normality.AndersonDarling(), normality.CramerVonMises(),
    normality.Watson(), normality.ShapiroWilk(), normality.VasicekEntropy(), SlicedWasserstein(),
]  # fmt: skip


def name(thing):
    return type(thing).__name__


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at(count=8):
    return step_at(0, 100, Rows(0, count, count))


def anderson_darling(x):
    """N times the integral of (F_n - F)^2 / (F (1 - F)) dF, piece by piece between the sorted numbers."""
    u = np.concatenate([[0.0], np.sort(stats.norm.cdf(x)), [1.0]])
    total = 0.0
    for i in range(len(u) - 1):
        level, grid = i / len(x), np.linspace(u[i], u[i + 1], 200_001)
        middle = (grid[1:] + grid[:-1]) / 2
        total += ((level - middle) ** 2 / (middle * (1 - middle))).mean() * (u[i + 1] - u[i])
    return len(x) * total


def watson(x):
    u = np.sort(stats.norm.cdf(x))
    n = len(u)
    return sum((u[i] - (2 * i + 1) / (2 * n) - u.mean() + 0.5) ** 2 for i in range(n)) + 1 / (12 * n)


def extended_jarque_bera(x):
    n = len(x)
    place, spread = n * x.mean() ** 2 / x.var(), (n - 1) * (x.var(ddof=1) - 1) ** 2 / 2
    return place + spread + stats.jarque_bera(x).statistic


def moments(x):
    """Expectations of x^k under N(0, 1) by SciPy."""
    power = [stats.norm.moment(order) for order in range(9)]
    return sum(len(x) * ((x**k).mean() - power[k]) ** 2 / (power[2 * k] - power[k] ** 2) for k in range(1, 5))


EXPECTED = {
    "Moments": moments,
    "ExtendedJarqueBera": extended_jarque_bera,
    "AndersonDarling": anderson_darling,
    "CramerVonMises": lambda x: stats.cramervonmises(x, "norm").statistic,
    "Watson": watson,
    "ShapiroWilk": lambda x: 1 - stats.shapiro(x).statistic,
    "VasicekEntropy": lambda x: -stats.differential_entropy(x, method="vasicek") - stats.norm.logpdf(x).mean(),
    "SlicedWasserstein": lambda x: np.mean((np.sort(x) - stats.norm.ppf(np.arange(1, N + 1) / (N + 1))) ** 2),
}


@pytest.mark.parametrize("test", TESTS, ids=name)
def test_statistic_is_the_published_one(test):
    x = draw(3, N) * torch.tensor([[1.0], [0.4], [1.7]]) + torch.tensor([[0.0], [0.3], [-0.2]])
    x[2] = (0.4 * x[2]).exp()
    found = test(Samples(x))
    expected = [EXPECTED[name(test)](row) for row in x.numpy()]
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-5 if name(test) == "AndersonDarling" else 1e-6)


@pytest.mark.parametrize("test", TESTS, ids=name)
def test_gradient_is_that_of_differences(test):
    x = (0.8 * draw(2, 12, seed=3) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: test(Samples(x)), x)


@pytest.mark.parametrize("test", TESTS, ids=name)
def test_what_is_no_gaussian_has_more(test):
    gaussian = draw(1, 400)
    two_heaps = gaussian.sign() + 0.1 * draw(1, 400, seed=1)
    assert test(Samples(two_heaps)).item() > 2 * test(Samples(gaussian)).item()


@pytest.mark.parametrize("test", [test for test in TESTS if name(test) != "ShapiroWilk"], ids=name)
def test_shrinking_is_seen(test):
    gaussian = draw(1, 400)
    assert test(Samples(0.1 * gaussian)).item() > 2 * test(Samples(gaussian)).item()


@pytest.mark.parametrize("test", TESTS, ids=name)
def test_a_point_has_a_finite_gradient(test):
    x = torch.full((1, 20), 0.5, dtype=torch.float64, requires_grad=True)
    test(Samples(x)).sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("test", TESTS, ids=name)
def test_it_is_averaged_over_directions_and_views(test):
    z = draw(2, 20, 4)
    along = draw_directions(4, 8, at()).double()
    rows = torch.cat([along @ view.T for view in z])
    torch.testing.assert_close(Sliced(test, 8)(z, at()), test(Samples(rows)).mean())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: normality.ShapiroWilk()(Samples(draw(1, 5))), "6 numbers or more"),
        (lambda: normality.VasicekEntropy(5)(Samples(draw(1, 10))), "does not fit"),
        (lambda: normality.VasicekEntropy(0), "1 number or more"),
        (lambda: normality.Moments(0), "begin with the first"),
    ],
)
def test_what_cannot_be_is_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def visreg(z, along):
    """Equations 1, 2, 5 and 6 for one view."""
    n = len(z)
    scaled = (z - z.mean(axis=0)) / (z.std(axis=0) + 1e-4)
    quantiles = stats.norm.ppf(np.arange(1, n + 1) / (n + 1))
    shape = np.mean([np.mean((np.sort(scaled @ one) - quantiles) ** 2) for one in along])
    return 3 * np.mean(z.mean(axis=0) ** 2) + 2 * np.mean((1 - z.std(axis=0)) ** 2) + 5 * shape


def test_visreg_is_that_of_the_paper():
    z, along = 0.5 * draw(2, 14, 4) + 0.2, draw_directions(4, 16, at()).double().numpy()
    found = VISReg(16, place=3.0, width=2.0, shape=5.0)(z, at())
    assert found.item() == pytest.approx(np.mean([visreg(view, along) for view in z.numpy()]))


def test_visreg_pulls_apart_what_has_nearly_become_one():
    """The gradient of the width does not vanish with the width; that of SIGReg does."""
    for width in (1e-2, 1e-4):
        z = (width * draw(1, 30, 4)).requires_grad_()
        VISReg(16, place=0.0, shape=0.0)(z, at()).backward()
        assert z.grad.norm().item() == pytest.approx(2 / math.sqrt(30 * 4), rel=0.05)
