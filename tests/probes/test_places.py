"""Places on a round world are read and compared the short way round."""

import pytest
import torch

from jepakit.probes.places import ForetoldPlaces, PlaceProbe, apart, off_circles, on_circles

SIZE = 32


@pytest.fixture
def futures():
    """Three ways of 20 pasts: to the left, to the right, and straight on, three pixels a step."""
    generator = torch.Generator().manual_seed(0)
    start = torch.rand(20, 1, 1, 2, generator=generator) * SIZE
    ways = torch.tensor([[0.0, -3.0], [0.0, 3.0], [3.0, 0.0]]).view(1, 3, 1, 2)
    return start + ways * torch.arange(1, 5).view(1, 1, 4, 1)


def test_angles_keep_places():
    places = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * SIZE
    torch.testing.assert_close(off_circles(on_circles(places, SIZE), SIZE), places, atol=1e-3, rtol=0)


def test_distances_go_the_short_way_round():
    found = apart(torch.tensor([[1.0, 5.0]]), torch.tensor([[31.0, 5.0]]), SIZE)
    assert found.tolist() == [2.0]
    assert apart(torch.tensor([-30.0, 70.0]), torch.tensor([2.0, 6.0]), SIZE).item() == 0.0


def test_a_probe_finds_places_in_what_is_linear_in_their_angles():
    """One part that tells of four times, and four parts that tell of one each; across the edge, too."""
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(200, 4, 2, generator=generator) * 3 * SIZE - SIZE
    points = on_circles(places, SIZE)
    mixed = points.flatten(1).unsqueeze(1) @ torch.randn(16, 24, generator=generator)
    each = points @ torch.randn(4, 6, generator=generator)
    for parts in (mixed, each):
        probe = PlaceProbe(parts[:150], places[:150], SIZE)
        assert apart(probe(parts[150:]), places[150:], SIZE).max() < 0.1
        assert probe(parts[150:].unsqueeze(1)).shape == (50, 1, 4, 2)


def test_a_probe_of_noise_knows_nothing():
    generator = torch.Generator().manual_seed(0)
    places, noise = torch.rand(400, 1, 2, generator=generator) * SIZE, torch.randn(400, 1, 8, generator=generator)
    probe = PlaceProbe(noise[:300], places[:300], SIZE)
    assert apart(probe(noise[300:]), places[300:], SIZE).mean() > 9


def test_parts_that_do_not_share_the_times_evenly_are_refused():
    with pytest.raises(ValueError, match="evenly"):
        PlaceProbe(torch.zeros(4, 3, 2), torch.zeros(4, 4, 2), SIZE)


def test_who_draws_all_futures_is_never_off(futures):
    found = ForetoldPlaces.of(futures.flip(1) + SIZE, futures, SIZE)
    assert (found.modes.coverage, found.modes.precision) == (1.0, 1.0)
    assert found.best_of(3).max() < 1e-3
    assert found.each().max() < 1e-3


def test_who_draws_one_future_is_precise_and_misses_two(futures):
    found = ForetoldPlaces.of(futures[:, :1].repeat(1, 5, 1, 1), futures, SIZE)
    assert found.modes.coverage == pytest.approx(1 / 3)
    assert found.modes.precision == 1.0
    assert found.each().max() < 1e-3
    # Left is missed by straight on (3 root 2 a step) and by right (6 a step, round the edge for the last of them).
    assert found.best_of(5)[0].item() == pytest.approx((0 + 6 + 3 * 2**0.5) / 3, abs=1e-3)


def test_the_mean_of_the_futures_is_none_of_them(futures):
    found = ForetoldPlaces.of(futures.mean(dim=1, keepdim=True), futures, SIZE)
    assert found.modes.coverage == 0.0
    assert found.each().tolist() == pytest.approx([2.0, 4.0, 6.0, 8.0], abs=1e-3)


def test_more_draws_never_come_less_near(futures):
    drawn = torch.rand(20, 16, 4, 2, generator=torch.Generator().manual_seed(1)) * SIZE
    found = ForetoldPlaces.of(drawn, futures, SIZE)
    curve = [found.best_of(count).mean().item() for count in (1, 2, 4, 8, 16)]
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] < curve[0]


def test_futures_in_the_same_places_are_refused(futures):
    with pytest.raises(ValueError, match="same places"):
        ForetoldPlaces.of(futures, futures[:, :1].repeat(1, 2, 1, 1), SIZE)
