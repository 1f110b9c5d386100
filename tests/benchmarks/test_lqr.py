"""The optimum that planners are measured against is the optimum, and they come near it."""

import pytest
import torch

from benchmarks.lqr import BOX, GOAL, HORIZON, PLANNERS, costs_of, gap_of, optimum, starts, system


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
