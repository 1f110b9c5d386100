"""The rank meters against independent NumPy formulas, closed forms and degenerate input."""

import math

import numpy as np
import pytest
import torch

from jepakit.probes.rank import alpha_req, feature_std, lidar, mean_cosine, rank_me, spectrum

METERS = (feature_std, rank_me, alpha_req, mean_cosine)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def entropy_rank(values):
    shares = values / values.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize("shape", [(300, 20), (15, 40)])
def test_rank_me_is_the_entropy_of_numpys_singular_values(shape):
    x = draw(*shape) * torch.linspace(0.1, 3, shape[1])
    expected = entropy_rank(np.linalg.svd(x.numpy(), compute_uv=False))
    assert rank_me(x) == pytest.approx(expected, rel=1e-9)
    assert rank_me(x.float()) == pytest.approx(expected, rel=1e-4)


def test_spectrum_is_numpys_covariance():
    x = draw(200, 8) * torch.linspace(1, 4, 8)
    expected = np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True))[::-1]
    np.testing.assert_allclose(spectrum(x).numpy(), expected, rtol=1e-10)
    assert len(spectrum(draw(5, 8))) == 4


def test_rank_of_an_isotropic_gaussian_is_nearly_its_width():
    assert 31.8 < rank_me(draw(20_000, 32)) <= 32


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_rank_never_exceeds_the_number_of_directions(rank):
    x = draw(400, rank) @ draw(rank, 50, seed=1)
    assert rank_me(x) <= rank + 1e-6
    assert rank_me(torch.linalg.qr(draw(400, rank))[0] @ torch.eye(rank, 50, dtype=torch.float64)) == pytest.approx(
        rank
    )


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.5])
def test_alpha_req_reads_the_exponent_of_an_exact_power_law(exponent):
    samples = draw(500, 40)
    whitened = torch.linalg.qr(samples - samples.mean(dim=0))[0]
    values = torch.arange(1, 41, dtype=torch.float64) ** -exponent
    assert alpha_req(whitened * values.sqrt()) == pytest.approx(exponent, abs=1e-6)


def test_alpha_req_is_large_where_directions_died():
    alive = draw(500, 40)
    dead = alive * (torch.arange(40) < 2)
    assert alpha_req(alive) < 0.5
    assert alpha_req(dead) > 4


def test_lidar_is_numpys_discriminant_spectrum():
    x = draw(60, 5, 12) * 0.3 + draw(60, 1, 12, seed=1) * torch.linspace(0.2, 2, 12)
    array = x.numpy()
    means = array.mean(axis=1)
    inside = (array - means[:, None]).reshape(-1, 12)
    within = inside.T @ inside / len(inside) + 1e-4 * np.eye(12)
    value, vector = np.linalg.eigh(within)
    root = vector @ np.diag(value**-0.5) @ vector.T
    expected = entropy_rank(np.linalg.eigvalsh(root @ np.cov(means.T, bias=True) @ root))
    assert lidar(x) == pytest.approx(expected, rel=1e-9)


def test_lidar_ignores_directions_in_which_views_differ_as_much_as_samples():
    noise = draw(200, 10, 16)
    signal = torch.zeros(16, dtype=torch.float64)
    signal[:3] = 10
    assert lidar(noise + draw(200, 1, 16, seed=1) * signal) < 4
    assert lidar(noise * 0.01 + draw(200, 1, 16, seed=1)) > 14


def test_mean_cosine_is_the_mean_over_pairs():
    x = draw(30, 6) + 0.5
    units = x / x.norm(dim=1, keepdim=True)
    pairs = [float(units[i] @ units[j]) for i in range(30) for j in range(30) if i != j]
    assert mean_cosine(x) == pytest.approx(np.mean(pairs), rel=1e-10)
    assert mean_cosine(torch.ones(4, 3)) == pytest.approx(1)


def test_feature_std_is_numpys():
    x = draw(50, 7) * torch.linspace(1, 2, 7)
    assert feature_std(x) == pytest.approx(x.numpy().std(axis=0).mean(), rel=1e-10)


@pytest.mark.parametrize(
    "x", [torch.zeros(20, 6), torch.ones(20, 6), torch.full((20, 6), 1e-30), torch.full((20, 6), 1e18)]
)
def test_constant_embeddings_give_numbers(x):
    for meter in METERS:
        assert math.isfinite(meter(x))
    assert rank_me(x) <= 1 + 1e-9
    assert feature_std(x) == 0
    assert alpha_req(x) > 4
    assert lidar(x.reshape(5, 4, 6)) == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_meters_take_every_float_type_and_keep_no_graph(dtype):
    x = draw(40, 8).to(dtype).requires_grad_()
    assert all(isinstance(meter(x), float) for meter in METERS)
    assert not spectrum(x).requires_grad


def test_values_that_are_not_finite_are_refused():
    x = draw(10, 4)
    x[3, 2] = math.nan
    with pytest.raises(ValueError, match="1 values that are not finite"):
        rank_me(x)


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="at least 2 samples of 2 views"):
        lidar(draw(5, 1, 3))
    with pytest.raises(ValueError, match="at least 2"):
        mean_cosine(draw(1, 3))
    with pytest.raises(ValueError, match="3 samples of 2 features"):
        alpha_req(draw(2, 3))
