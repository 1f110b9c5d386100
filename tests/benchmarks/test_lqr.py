"""The optimum that planners are measured against is the optimum, and they come near it."""

import pytest
import torch

from benchmarks.lqr import BOX, GOAL, HORIZON, PLANNERS, costs_of, gap_of, optimum, quadratic, starts, system
from jepakit.planning.cem import CEM
from jepakit.planning.planner import generators_for


def test_riccati_gives_the_least_cost():
    world, states = system(), starts(3).double()
    cost, actions = optimum(world, states, HORIZON)
    actions.requires_grad_()
    reached = costs_of(world, states)(actions.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(reached.detach(), cost)
    (slope,) = torch.autograd.grad(reached.sum(), actions)
    assert slope.abs().max() < 1e-10, "the cost is convex, so no slope is the minimum"
    assert torch.equal(BOX.project(actions.detach()), actions.detach())


@pytest.mark.parametrize("name", PLANNERS)
def test_planners_come_within_a_percent_of_the_least_cost(name):
    gaps = gap_of(PLANNERS[name], system(), starts(6), HORIZON)
    assert (gaps > -1e-4).all(), "nothing is better than the optimum"
    assert (gaps <= GOAL).all()


def test_doing_nothing_is_far_from_it():
    world, states = system(), starts(6)
    still = costs_of(world, states)(torch.zeros(6, 1, HORIZON, 2)).squeeze(1)
    assert (still / optimum(world, states, HORIZON)[0] > 1.2).all()


def test_replanning_under_gaussian_noise_costs_what_the_best_feedback_costs():
    """The best actions do not know the noise to come, and do not need to: certainty equivalence."""
    world, noise = system(), 0.3 * torch.randn(HORIZON, 6, 4, generator=torch.Generator().manual_seed(3))

    def planned(states, left, moment):
        return CEM().plan(costs_of(world, states), BOX, left, generators_for(range(6), moment)).actions[:, 0]

    def best(states, left, moment):
        return optimum(world, states, left)[1][:, 0].float()

    totals = []
    for act in (planned, best):
        states, total = starts(6), torch.zeros(6)
        for moment in range(HORIZON):
            actions = act(states, HORIZON - moment, moment)
            total += quadratic(states, world.place) + quadratic(actions, world.effort)
            states = states @ world.move.T + actions @ world.push.T + noise[moment]
        totals.append((total + quadratic(states, world.end)).sum())
    assert (totals[0] / totals[1] - 1).abs() <= GOAL
