"""Modes that are known are counted, means of modes are not."""

import pytest
import torch

from jepakit.probes.futures import compare


@pytest.fixture
def futures():
    """Three futures of each of 20 pasts, two tokens wide."""
    return torch.randn(20, 3, 2, 8, generator=torch.Generator().manual_seed(0))


def test_who_names_all_futures_covers_all_and_is_precise(futures):
    found = compare(futures + 0.01, futures)
    assert (found.coverage, found.precision) == (1.0, 1.0)
    assert found.best_of(3) < 0.05


def test_who_names_one_future_covers_a_third(futures):
    found = compare(futures[:, :1].repeat(1, 4, 1, 1), futures)
    assert found.coverage == pytest.approx(1 / 3)
    assert found.precision == 1.0


def test_the_mean_of_the_futures_is_none_of_them(futures):
    found = compare(futures.mean(dim=1, keepdim=True), futures)
    assert found.coverage < 0.1


def test_who_guesses_wildly_is_not_precise(futures):
    wild = torch.randn(20, 50, 2, 8, generator=torch.Generator().manual_seed(1)) * 3
    found = compare(torch.cat([futures, wild], dim=1), futures)
    assert found.coverage == 1.0
    assert found.precision == pytest.approx(3 / 53, abs=0.01)


def test_more_tries_never_come_less_near(futures):
    found = compare(torch.randn(20, 16, 2, 8, generator=torch.Generator().manual_seed(2)), futures)
    curve = [found.best_of(count) for count in (1, 2, 4, 8, 16)]
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] < curve[0]


def test_a_prediction_is_of_one_future_at_most(futures):
    found = compare(torch.randn(20, 50, 2, 8, generator=torch.Generator().manual_seed(3)), futures)
    assert (found.hits.sum(dim=2) <= 1).all()


def test_one_future_has_no_modes(futures):
    with pytest.raises(ValueError, match="two futures or more"):
        compare(futures, futures[:, :1])
