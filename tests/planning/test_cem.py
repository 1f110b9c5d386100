"""What is special to the cross-entropy method and to weighted candidates: odd numbers, early stop, colored noise."""

import pytest
import torch

from jepakit.planning.actions import Box
from jepakit.planning.cem import CEM, best_of
from jepakit.planning.mppi import MPPI
from jepakit.planning.noise import coloring, draw_noise
from jepakit.planning.planner import Plan, generators_for

BOX = Box(low=(-2.0, -2.0), high=(2.0, 2.0))
GOAL = torch.tensor([0.7, -1.1])


def bowl(actions):
    return (actions - GOAL).square().sum(dim=(2, 3))


@pytest.mark.parametrize("fields", [{"elites": 1}, {"elites": 1, "samples": 1}, {"elites": 300}])
def test_one_elite_and_all_elites_give_numbers(fields):
    plan = CEM(**fields).plan(bowl, BOX, 2, generators_for([0]))
    assert plan.actions.isfinite().all()
    assert plan.cost <= bowl(torch.zeros(1, 1, 2, 2))[0]


def test_without_spread_the_plan_to_start_with_comes_back():
    start = Plan(torch.full((1, 2, 2), 0.4), torch.zeros(1), torch.zeros(1, 1))
    for planner in (CEM(spread=0.0), MPPI(spread=0.0)):
        torch.testing.assert_close(planner.plan(bowl, BOX, 2, generators_for([0]), start).actions, start.actions)


def corner(actions):
    """A bowl of which all but a corner, a twentieth of what is drawn at first, is forbidden."""
    return (actions - 1.9).square().sum(dim=(2, 3)).masked_fill(actions[..., 0].amin(dim=2) < 1.6, torch.inf)


def test_what_is_forbidden_is_no_elite():
    seeds = range(20)
    plan = CEM().plan(corner, BOX, 1, generators_for(seeds))
    assert plan.cost.max() < 1e-3
    candidates = torch.arange(5.0).view(1, 5, 1, 1)
    elites, found = best_of(candidates, torch.tensor([[torch.inf, 3.0, 2.0, torch.inf, torch.inf]]), 3)
    assert elites.flatten().tolist() == [2, 1, 2]
    assert found == 2


def test_a_search_does_not_end_at_the_first_thing_that_is_allowed():
    """With one elite that is allowed, nobody knows how they spread: the search goes on as widely as before."""
    widths = []

    def watched(actions):
        widths.append(actions.std(dim=1).mean().item())
        costs = bowl(actions)
        return costs if len(widths) > 1 else costs.masked_fill(costs > costs.amin(), torch.inf)

    plan = CEM(iterations=20).plan(watched, BOX, 2, generators_for([0]))
    assert widths[1] > 0.5 * widths[0]
    assert plan.cost.item() < 1e-2


def test_a_floor_keeps_the_search_alive():
    costs = []

    def watched(actions):
        costs.append(actions.std(dim=1).min().item())
        return bowl(actions)

    CEM(iterations=20, least_spread=0.1).plan(watched, BOX, 2, generators_for([0]))
    assert costs[-1] > 0.15
    costs.clear()
    CEM(iterations=20).plan(watched, BOX, 2, generators_for([0]))
    assert costs[-1] < 0.01


def test_an_episode_that_is_done_stops_and_the_search_with_the_last():
    calls = []

    def watched(actions):
        calls.append(actions)
        return bowl(actions)

    planner = CEM(iterations=100, tolerance=0.01)
    plan = planner.plan(watched, BOX, 2, generators_for([0, 1]))
    assert 3 < len(calls) < 30
    torch.testing.assert_close(plan.actions, GOAL.expand(2, 2, 2), atol=0.05, rtol=0)
    alone = planner.plan(bowl, BOX, 2, generators_for([1]))
    torch.testing.assert_close(alone.actions[0], plan.actions[1])


def test_fewer_and_fewer_candidates_are_drawn():
    counts = []

    def watched(actions):
        counts.append(actions.shape[1])
        return bowl(actions)

    CEM(samples=100, elites=10, iterations=10, shrink=1.5).plan(watched, BOX, 2, generators_for([0]))
    assert counts == [100, 67, 44, 30, *[20] * 6]


def test_reused_elites_are_candidates_again():
    tried = []

    def watched(actions):
        tried.append(actions.clone())
        return bowl(actions)

    CEM(samples=50, elites=10, iterations=2, reused=0.3).plan(watched, BOX, 2, generators_for([0]))
    best = tried[0][0, bowl(tried[0])[0].argsort()[:3]]
    torch.testing.assert_close(tried[1][0, 1:4], best)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"samples": 10, "elites": 11}, "elites are among the samples"),
        ({"elites": 0}, "elites are among the samples"),
        ({"iterations": 0}, "1 iteration or more"),
        ({"spread": -1.0}, "0 or more"),
        ({"momentum": 1.0}, "momentum"),
        ({"reused": 1.1}, "reused"),
        ({"shrink": 0.9}, "shrink"),
    ],
)
def test_numbers_that_make_no_search_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        CEM(**fields)


@pytest.mark.parametrize(
    "fields", [{"samples": 0}, {"iterations": 0}, {"spread": -1.0}, {"cooling": 0.0}, {"temperature": 0.0}]
)
def test_numbers_that_make_no_path_integral_are_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        MPPI(**fields)


def test_better_candidates_count_more_and_equal_ones_alike():
    planner = MPPI(temperature=1.0)
    weights = planner._weights(torch.tensor([[0.0, 1.0, 2.0], [3.0, 3.0, 3.0], [0.0, 2.0, torch.inf]]))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
    deviation = torch.tensor([0.0, 1.0, 2.0]).std(correction=0)
    torch.testing.assert_close(weights[0], torch.softmax(-torch.tensor([0.0, 1.0, 2.0]) / deviation, dim=0))
    torch.testing.assert_close(weights[1], torch.full((3,), 1 / 3))
    torch.testing.assert_close(weights[2], torch.softmax(torch.tensor([0.0, -2.0, -torch.inf]), dim=0))


def test_equal_candidates_weigh_alike_where_the_processor_knows_no_denormals():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush denormals")
    try:
        weights = MPPI(temperature=0.2)._weights(torch.ones(1, 4))
    finally:
        torch.set_flush_denormal(False)
    torch.testing.assert_close(weights, torch.full((1, 4), 0.25))


def test_noise_has_variance_one_and_the_power_of_its_color():
    horizon = 32
    for color in (0.0, 1.0, 2.0):
        noise = draw_noise((4000, horizon, 1), generators_for([3]), color)[0, :, :, 0]
        torch.testing.assert_close(noise.std(dim=0), torch.ones(horizon), atol=0.06, rtol=0)
        power = torch.fft.rfft(noise, dim=1).abs().square().mean(dim=0)[1:-1]
        frequencies = torch.fft.rfftfreq(horizon)[1:-1]
        slope = (
            torch.linalg.lstsq(
                torch.stack([frequencies.log(), torch.ones_like(frequencies)], dim=1), power.log().unsqueeze(1)
            )
            .solution[0]
            .item()
        )
        assert slope == pytest.approx(-color, abs=0.1)


def test_one_step_has_no_color():
    torch.testing.assert_close(coloring(1, 2.0), torch.ones(1, 1))
    assert torch.equal(draw_noise((5, 1, 2), generators_for([0]), 2.0), draw_noise((5, 1, 2), generators_for([0]), 0.0))
