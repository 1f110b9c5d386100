"""Laws of all planners: bounds hold, seeds repeat, an episode's plan does not depend on its batch, odd sizes behave."""

from dataclasses import replace

import pytest
import torch

from jepakit.config import Config
from jepakit.planning.actions import Box, Choices
from jepakit.planning.cem import CEM, ICEM
from jepakit.planning.discrete import Beam, CategoricalCEM
from jepakit.planning.gradient import Gradient
from jepakit.planning.mixed import Mixed
from jepakit.planning.mppi import MPPI
from jepakit.planning.planner import Plan, Planner, generators_for

CONTINUOUS = {
    "cem": CEM(samples=40, elites=6, iterations=6, momentum=0.2),
    "icem": replace(ICEM, samples=40, elites=6, iterations=6, shrink=1.2),
    "mppi": MPPI(samples=40, iterations=6),
    "gradient": Gradient(steps=12, restarts=3),
    "mixed": Mixed(search=CEM(samples=30, elites=5, iterations=3), refine=Gradient(steps=6)),
}
DISCRETE = {"categorical": CategoricalCEM(samples=40, elites=6, iterations=4), "beam": Beam(width=4)}
BOX = Box(low=(-1.0, 0.2, 0.5), high=(1.0, 2.0, 0.5), longest=1.5)
CHOICES = Choices(count=3)
EVERY = [pytest.param(planner, BOX, id=name) for name, planner in CONTINUOUS.items()]
EVERY += [pytest.param(planner, CHOICES, id=name) for name, planner in DISCRETE.items()]
SEARCHES = [name for name in CONTINUOUS if name != "gradient"]


def goals(episodes):
    return 3 * torch.randn(episodes, 3, generator=torch.Generator().manual_seed(7))


def costs_to(goals):
    """Sums of actions shall reach goals that lie partly out of reach; steps have unequal prices."""

    def costs(actions):
        price = torch.linspace(0.1, 0.3, actions.shape[2]).unsqueeze(-1)
        return (actions.sum(dim=2) - goals[:, None]).square().sum(dim=-1) + (price * actions.square()).sum(dim=(2, 3))

    return costs


def is_allowed(space, actions, slack=0.0):
    if isinstance(space, Choices):
        return bool(((actions == 0) | (actions == 1)).all() and (actions.sum(dim=-1) == 1).all())
    inside = (actions >= torch.tensor(space.low) - slack) & (actions <= torch.tensor(space.high) + slack)
    return bool(inside.all() and (actions.norm(dim=-1) <= space.longest + 1e-5).all())


@pytest.mark.parametrize(("planner", "space"), EVERY)
def test_every_candidate_and_every_plan_is_allowed(planner, space):
    tried = []

    def watched(actions):
        tried.append(actions.detach().clone())
        return costs_to(goals(2))(actions)

    for start in (None, Plan(5 * torch.randn(2, 4, 3), torch.zeros(2), torch.zeros(1, 2))):
        if start is not None and isinstance(space, Choices):
            start = Plan(space.project(start.actions), start.cost, start.trace)
        plan = planner.plan(watched, space, 4, generators_for([1, 2]), start)
        assert is_allowed(space, plan.actions)
        assert plan.ideas is None or is_allowed(space, plan.ideas)
    assert all(is_allowed(space, candidates, slack=1e-6) for candidates in tried)


@pytest.mark.parametrize(("planner", "space"), EVERY)
def test_the_cost_is_that_of_the_actions_and_never_rises(planner, space):
    costs = costs_to(goals(3))
    plan = planner.plan(costs, space, 4, generators_for([1, 2, 3]))
    torch.testing.assert_close(plan.cost, costs(plan.actions[:, None])[:, 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(plan.trace[-1], plan.cost)
    if not isinstance(planner, Beam):  # its trace are costs of beginnings
        assert (plan.trace.diff(dim=0) <= 0).all()
        assert (plan.cost <= plan.trace[0]).all()


@pytest.mark.parametrize(("planner", "space"), EVERY)
def test_seeds_repeat_and_a_plan_does_not_depend_on_its_batch(planner, space):
    places, seeds = goals(3), [5, 6, 7]
    together = planner.plan(costs_to(places), space, 4, generators_for(seeds))
    again = planner.plan(costs_to(places), space, 4, generators_for(seeds))
    assert torch.equal(together.actions, again.actions)
    for row, seed in enumerate(seeds):
        alone = planner.plan(costs_to(places[row : row + 1]), space, 4, generators_for([seed]))
        torch.testing.assert_close(alone.actions[0], together.actions[row], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*SEARCHES, "categorical"])
def test_other_seeds_search_elsewhere(name):
    planner, space = (DISCRETE[name], CHOICES) if name in DISCRETE else (CONTINUOUS[name], BOX)
    tried = []

    def watched(actions):
        tried.append(actions[:, 1:].detach().clone())
        return costs_to(goals(2))(actions)

    planner.plan(watched, space, 4, generators_for([1, 2]))
    assert not torch.equal(tried[0][0], tried[0][1])


@pytest.mark.parametrize(("planner", "space"), EVERY)
def test_a_plan_to_start_with_is_never_made_worse(planner, space):
    costs = costs_to(goals(2))
    first = planner.plan(costs, space, 4, generators_for([1, 2]))
    second = planner.plan(costs, space, 4, generators_for([8, 9]), first)
    assert (second.cost <= first.cost + 1e-5).all()


@pytest.mark.parametrize(("planner", "space"), EVERY)
def test_what_is_left_of_the_space_may_be_a_single_action(planner, space):
    one = Choices(count=1) if isinstance(space, Choices) else Box(low=(0.3, 0.3), high=(0.3, 0.3))
    wanted = torch.ones(1, 1) if isinstance(space, Choices) else torch.full((1, 2), 0.3)

    def costs(actions):
        return (actions - 1).square().sum(dim=(2, 3))

    plan = planner.plan(costs, one, 1, generators_for([1]))
    torch.testing.assert_close(plan.actions[0], wanted)
    assert plan.cost.isfinite().all()


@pytest.mark.parametrize(("planner", "space"), EVERY)
def test_futures_of_no_finite_cost_are_avoided_and_a_model_that_has_no_others_is_told_of(planner, space):
    def half(actions):
        costs = costs_to(goals(1))(actions)
        return torch.where(actions[:, :, 0, 0] > (0.9 if space is BOX else 0.5), torch.nan, costs)

    plan = planner.plan(half, space, 3, generators_for([1]))
    assert plan.cost.isfinite().all()
    with pytest.raises(ValueError, match="no candidate of an episode has a finite cost"):
        planner.plan(lambda actions: actions.sum(dim=(2, 3)) * torch.nan, space, 3, generators_for([1]))


@pytest.mark.parametrize(("planner", "space"), EVERY)
def test_wrong_sizes_and_spaces_get_a_sentence(planner, space):
    costs = costs_to(goals(1))
    other = BOX if isinstance(space, Choices) else CHOICES
    with pytest.raises(ValueError, match="searches"):
        planner.plan(costs, other, 3, generators_for([1]))
    with pytest.raises(ValueError, match="1 step or more"):
        planner.plan(costs, space, 0, generators_for([1]))
    with pytest.raises(ValueError, match="the plan to begin with has sizes"):
        planner.plan(
            costs, space, 3, generators_for([1]), Plan(torch.zeros(1, 2, 3), torch.zeros(1), torch.zeros(1, 1))
        )
    with pytest.raises(ValueError, match="candidates need as many costs"):
        planner.plan(lambda actions: actions.sum(dim=(1, 2, 3)), space, 3, generators_for([1]))


@pytest.mark.parametrize(("planner", "space"), EVERY)
def test_planners_travel_as_json_and_fit_the_contract(planner, space):
    assert Config.from_json(planner.to_json()) == planner
    assert isinstance(planner, Planner)


@pytest.mark.parametrize("name", ["cem", "icem", "mppi", "mixed"])
def test_searches_leave_no_gradients(name):
    weight = torch.nn.Parameter(torch.ones(()))
    plan = CONTINUOUS[name].plan(lambda actions: weight * costs_to(goals(1))(actions), BOX, 3, generators_for([1]))
    assert weight.grad is None
    assert not plan.actions.requires_grad
