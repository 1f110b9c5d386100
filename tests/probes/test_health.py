"""The meters of health against closed forms, other formulas, and input that has lost what they ask for."""

import numpy as np
import pytest
import torch

from jepakit.probes.health import (
    agreement,
    dead_share,
    distance,
    intraclass_correlation,
    spread,
    time_share,
    uniformity,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_spread_is_the_share_of_the_squared_length_that_varies_at_any_scale():
    x = draw(200, 8) + 3
    expected = x.numpy().var(axis=0).sum() / np.square(x.numpy()).sum(axis=1).mean()
    assert spread(x) == pytest.approx(expected, rel=1e-12)
    assert spread(1e-6 * x) == pytest.approx(expected, rel=1e-9)
    assert spread(torch.ones(5, 3)) == 0
    assert spread(torch.zeros(5, 3)) == 0


def test_features_that_never_vary_are_dead():
    x = draw(50, 10)
    assert dead_share(x) == 0
    x[:, :4] = 7.0
    assert dead_share(x) == pytest.approx(0.4)
    assert dead_share(torch.ones(5, 3)) == 1


def test_intraclass_correlation_is_that_of_shrout_and_fleiss():
    """Table 2 of Shrout and Fleiss 1979: six persons, rated by four judges each; ICC(1, 1) is 0.17."""
    ratings = torch.tensor([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    assert intraclass_correlation(ratings.double().unsqueeze(2)) == pytest.approx(0.1657, abs=1e-4)
    samples, chance = draw(300, 1, 8), draw(300, 4, 8, seed=1)
    assert intraclass_correlation(samples.expand(-1, 4, -1)) == 1
    assert intraclass_correlation(chance) == pytest.approx(0, abs=0.03)
    half = intraclass_correlation(samples + chance)
    assert half == pytest.approx(0.5, abs=0.05)
    assert intraclass_correlation(1e-6 * (samples + chance) + 1) == pytest.approx(half, rel=1e-6)
    assert intraclass_correlation(torch.ones(5, 2, 3)) == 0
    with pytest.raises(ValueError, match="at least 2 samples of 2"):
        intraclass_correlation(draw(5, 1, 3))


def test_uniformity_is_the_formula_of_the_paper():
    x = draw(40, 6)
    units = (x / x.norm(dim=1, keepdim=True)).numpy()
    squares = [((a - b) ** 2).sum() for i, a in enumerate(units) for b in units[:i]]
    assert uniformity(x) == pytest.approx(np.log(np.mean(np.exp(-2 * np.array(squares)))), rel=1e-9)
    assert uniformity(torch.ones(9, 4)) == pytest.approx(0, abs=1e-12)
    assert -4 < uniformity(draw(300, 400)) < -3.9
    with pytest.raises(ValueError, match="at least 2"):
        uniformity(torch.ones(1, 4))


def test_time_share_forgets_positions_and_knows_still_clips():
    still = draw(20, 1, 3, 5).expand(-1, 4, -1, -1)
    positions = 10 * draw(1, 4, 3, 5, seed=1)
    assert time_share(still) == 0
    assert time_share(still + positions) < 1e-20
    assert time_share(draw(400, 4, 3, 5)) == pytest.approx(3 / 4, abs=0.01)
    assert time_share(torch.zeros(4, 2, 3, 5)) == 0


def test_agreement_is_lins_concordance_of_normalized_tokens():
    x, y = draw(500, 16), draw(500, 16, seed=1)
    mixed = 0.6 * x + 0.8 * y
    a, b = (
        (part - part.mean(dim=1, keepdim=True)) / part.std(dim=1, correction=0, keepdim=True) for part in (x, mixed)
    )
    between = ((a.mean(dim=0) - b.mean(dim=0)) ** 2).sum()
    covariance = ((a - a.mean(dim=0)) * (b - b.mean(dim=0))).mean(dim=0).sum()
    expected = 2 * covariance / (a.var(dim=0, correction=0).sum() + b.var(dim=0, correction=0).sum() + between)
    assert agreement(x, mixed) == pytest.approx(expected.item(), abs=1e-4)
    assert agreement(x, 5 * x + 2) == pytest.approx(1, abs=1e-4)
    assert abs(agreement(x, y)) < 0.05
    assert agreement(torch.ones(4, 3), torch.ones(4, 3)) == 1


def test_distance_of_weights_is_relative_to_the_second():
    ours, theirs = [torch.zeros(2, 2), torch.ones(3)], [torch.ones(2, 2), torch.ones(3)]
    assert distance(ours, theirs) == pytest.approx((4 / 7) ** 0.5)
    assert distance(theirs, theirs) == 0
