"""Planners of choices find what trying everything finds, where everything can be tried."""

import itertools

import pytest
import torch

from jepakit.planning.actions import Choices
from jepakit.planning.discrete import Beam, CategoricalCEM
from jepakit.planning.planner import Plan, generators_for

COUNT, HORIZON, EPISODES = 3, 4, 6
SPACE = Choices(count=COUNT)


def random_tree(seed):
    """A price for every path of every length, in each of some episodes: no structure to make use of."""
    draw = torch.Generator().manual_seed(seed)
    prices = [torch.rand(EPISODES, COUNT ** (depth + 1), generator=draw) for depth in range(HORIZON)]

    def costs(actions):
        total, node = 0, torch.zeros(actions.shape[:2], dtype=torch.long)
        for depth, choice in enumerate(actions.argmax(dim=-1).unbind(dim=2)):
            node = node * COUNT + choice
            total = total + prices[depth].gather(1, node)
        return total

    return costs


def by_trying_all(costs):
    paths = torch.tensor(list(itertools.product(range(COUNT), repeat=HORIZON)))
    every = SPACE.told(paths).expand(EPISODES, -1, -1, -1)
    cost, place = costs(every).min(dim=1)
    return every[torch.arange(EPISODES), place], cost


@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_tries_everything(seed):
    costs = random_tree(seed)
    plan = Beam(width=COUNT ** (HORIZON - 1)).plan(costs, SPACE, HORIZON, generators_for(range(EPISODES)))
    actions, cost = by_trying_all(costs)
    assert torch.equal(plan.actions, actions)
    torch.testing.assert_close(plan.cost, cost)


@pytest.mark.parametrize("seed", range(3))
def test_the_cross_entropy_method_finds_the_best_path_of_a_small_tree(seed):
    costs = random_tree(seed)
    planner = CategoricalCEM(samples=300, elites=20)
    plan = planner.plan(costs, SPACE, HORIZON, generators_for(range(EPISODES)))
    assert torch.equal(plan.actions, by_trying_all(costs)[0])


def test_a_beam_of_one_is_greedy():
    costs = random_tree(0)
    plan = Beam(width=1).plan(costs, SPACE, HORIZON, generators_for(range(EPISODES)))
    path = torch.zeros(EPISODES, 0, COUNT)
    for _ in range(HORIZON):
        longer = torch.stack([torch.cat([path, one.expand(EPISODES, 1, -1)], dim=1) for one in torch.eye(COUNT)], dim=1)
        path = longer[torch.arange(EPISODES), costs(longer).argmin(dim=1)]
    assert torch.equal(plan.actions, path)


def test_a_plan_to_start_with_is_kept_where_the_beam_finds_no_better_one():
    costs = random_tree(0)
    greedy = Beam(width=1).plan(costs, SPACE, HORIZON, generators_for(range(EPISODES)))
    best, cost = by_trying_all(costs)
    assert (greedy.cost > cost).any()
    start = Plan(best, cost, cost.unsqueeze(0))
    assert torch.equal(Beam(width=1).plan(costs, SPACE, HORIZON, generators_for(range(EPISODES)), start).actions, best)
    start = Plan(best.roll(1, dims=-1), cost, cost.unsqueeze(0))
    again = Beam(width=COUNT ** (HORIZON - 1)).plan(costs, SPACE, HORIZON, generators_for(range(EPISODES)), start)
    assert torch.equal(again.actions, best)


def test_an_episode_of_choices_that_is_done_stops():
    calls = []

    def watched(actions):
        calls.append(1)
        return -actions[..., 0].sum(dim=2)

    CategoricalCEM(iterations=50, tolerance=0.1).plan(watched, SPACE, 3, generators_for([0, 1]))
    assert len(calls) < 10


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"elites": 0}, "elites"),
        ({"iterations": 0}, "iteration"),
        ({"least": 1.0}, "least"),
        ({"trust": -0.1}, "trust"),
    ],
)
def test_numbers_that_make_no_search_of_choices_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        CategoricalCEM(**fields)


def test_a_beam_holds_something():
    with pytest.raises(ValueError, match="1 beginning or more"):
        Beam(width=0)


def test_forbidden_choices_get_no_chance_from_being_among_the_best():
    """One sequence in forty is allowed, fewer than there are elites: the chances move to these alone."""
    drawn = []

    def costs(actions):
        drawn.append(actions)
        forbidden = (actions[..., 1:].sum(dim=(2, 3))) > 0
        return torch.zeros(actions.shape[:2]).masked_fill(forbidden, torch.inf)

    CategoricalCEM(momentum=0.0, least=0.0).plan(costs, SPACE, HORIZON, generators_for([0]))
    assert drawn[1].argmax(dim=-1).float().max() == 0
