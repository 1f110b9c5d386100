"""SIGReg against a direct formula: value, gradient, precision, what makes up a distribution, and what it asks for."""

import numpy as np
import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.parts.regularizers.samples import Samples
from jepakit.parts.regularizers.sigreg import CPU_CHUNK, EppsPulley, SIGReg, Sliced, draw_directions


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at(index=0, count=8):
    return step_at(index, 100, Rows(0, count, count))


def integral(x, knots=17, span=3.0):
    """N times the integral for numbers [..., n], by complex numbers over the whole line."""
    t = np.linspace(-span, span, 2 * knots - 1)
    apart = np.exp(1j * x[..., None] * t).mean(axis=-2) - np.exp(-(t**2) / 2)
    return x.shape[-1] * np.trapezoid(np.abs(apart) ** 2 * np.exp(-(t**2) / 2), t, axis=-1)


@pytest.mark.parametrize(("knots", "span"), [(17, 3.0), (2, 1.0), (10, 5.0)])
def test_statistic_is_the_integral(knots, span):
    x = draw(5, 40) * torch.linspace(0.1, 4, 5, dtype=torch.float64).unsqueeze(1)
    found = EppsPulley(knots, span)(Samples(x))
    np.testing.assert_allclose(found.numpy(), integral(x.numpy(), knots, span), rtol=1e-12)


def test_gradient_is_that_of_differences():
    x = draw(3, 7).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: EppsPulley()(Samples(x)), x)


def test_many_chunks_are_one():
    x = draw(CPU_CHUNK // 500, 1200).requires_grad_()
    found = EppsPulley()(Samples(x))
    np.testing.assert_allclose(found.detach().numpy(), integral(x.detach().numpy()), rtol=1e-10)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    few = x[-2:].detach().requires_grad_()
    (expected,) = torch.autograd.grad(EppsPulley()(Samples(few)).sum(), few)
    torch.testing.assert_close(gradient[-2:], expected)


def test_float32_is_near_float64():
    x = draw(50, 300) * 2
    one, two = x.float().requires_grad_(), x.requires_grad_()
    found, expected = EppsPulley()(Samples(one)), EppsPulley()(Samples(two))
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-6)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(one.grad.double(), two.grad, atol=1e-6, rtol=1e-5)


def test_value_is_the_mean_over_directions_and_views():
    z = draw(3, 20, 6)
    found = SIGReg(directions=32)(z, at())
    along = draw_directions(6, 32, at()).double().numpy()
    assert found.item() == pytest.approx(integral(along @ z.numpy().swapaxes(1, 2)).mean(), rel=1e-9)


@pytest.mark.parametrize(
    ("over", "regroup"),
    [("views", lambda z: z.transpose(0, 1)), ("all", lambda z: z.flatten(0, 1).unsqueeze(0))],
)
def test_on_sequences_it_is_said_whose_distribution_is_meant(over, regroup):
    z = draw(6, 9, 4)
    found, expected = SIGReg(16, over=over)(z, at()), SIGReg(16)(regroup(z), at())
    assert found.item() == pytest.approx(expected.item())
    assert found.item() != pytest.approx(SIGReg(16)(z, at()).item())


def test_order_of_samples_and_views_does_not_matter():
    z = draw(3, 20, 6)
    expected = SIGReg(16)(z, at())
    torch.testing.assert_close(SIGReg(16)(z[[2, 0, 1]][:, torch.randperm(20)], at()), expected)


def test_directions_are_units_and_new_in_every_step():
    one, again, other = draw_directions(7, 50, at(3)), draw_directions(7, 50, at(3)), draw_directions(7, 50, at(4))
    torch.testing.assert_close(one.norm(dim=1), torch.ones(50))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_gaussian_has_less_than_what_is_none():
    gaussian = draw(1, 400, 8)
    squeezed, shifted = gaussian * torch.tensor([1.0] * 7 + [0.01]), gaussian + 1
    values = [SIGReg(256)(z, at()).item() for z in (gaussian, squeezed, shifted, torch.zeros_like(gaussian))]
    # E N |ecf - exp(-t^2/2)|^2 is 1 - exp(-t^2), whose weighted integral is sqrt(2 pi) (1 - 1/sqrt(3)).
    assert values[0] == pytest.approx(1.06, abs=0.1)
    assert all(2 * values[0] < value for value in values[1:])


def test_descending_makes_a_gaussian_of_a_line():
    """Points along one direction spread out until every direction has the variance of a Gaussian."""
    z = (draw(100, 1) @ draw(1, 4, seed=1)).add(0.1 * draw(100, 4, seed=2)).float().requires_grad_()
    optimizer, regularizer = torch.optim.Adam([z], lr=0.05), SIGReg(32)
    for index in range(120):
        optimizer.zero_grad()
        regularizer(z.unsqueeze(0), at(index)).backward()
        optimizer.step()
    torch.testing.assert_close(torch.cov(z.detach().T), torch.eye(4), atol=0.35, rtol=0)


def test_half_precision_is_not_used_inside():
    z = draw(2, 30, 8).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = SIGReg(32)(z.bfloat16(), at())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, SIGReg(32)(z.bfloat16().float(), at()))


def test_embeddings_that_are_not_a_number_are_seen():
    z = draw(2, 8, 4)
    z[0, 0, 0] = torch.nan
    assert SIGReg(8)(z, at()).isnan()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EppsPulley(knots=1), "2 knots or more"),
        (lambda: EppsPulley(range=0.0), "range above 0"),
        (lambda: Sliced(EppsPulley(), directions=0), "1 direction or more"),
    ],
)
def test_bad_numbers_are_a_sentence(make, words):
    with pytest.raises(ValueError, match=words):
        make()
