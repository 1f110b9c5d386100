"""Descents end at the nearest allowed optimum, with any optimizer, and say so where there is no way down."""

import pytest
import torch

from jepakit.planning.actions import Box
from jepakit.planning.cem import CEM
from jepakit.planning.gradient import Gradient
from jepakit.planning.mixed import Mixed
from jepakit.planning.planner import Plan, generators_for

BOX = Box(low=(-1.0, -4.0), high=(1.0, 4.0))


def bowl(actions):
    return (actions - torch.tensor([2.0, 1.0])).square().sum(dim=(2, 3))


@pytest.mark.parametrize(
    "planner",
    [
        Gradient(),
        Gradient(optimizer="SGD", rate=0.02),
        Gradient(optimizer="RMSprop", rate=0.02),
        Gradient(optimizer="LBFGS", rate=0.5, steps=10),
    ],
)
def test_any_optimizer_finds_the_corner_next_to_the_optimum(planner):
    plan = planner.plan(bowl, BOX, 3, generators_for([0, 1]))
    torch.testing.assert_close(plan.actions, torch.tensor([1.0, 1.0]).expand(2, 3, 2), atol=0.05, rtol=0)


def two_valleys(actions):
    """A shallow valley at 0.5 where descents from the middle end, a deep one at -0.6 behind a ridge."""
    x = actions[..., 0]
    return (-torch.exp(-20 * (x - 0.5).square()) - 3 * torch.exp(-20 * (x + 0.6).square()) - 0.2 * x).sum(dim=2)


def test_restarts_and_a_search_before_find_the_deeper_valley():
    line = Box(low=(-1.0,), high=(1.0,))
    alone = Gradient(steps=150, rate=0.02).plan(two_valleys, line, 1, generators_for([0]))
    assert alone.actions.item() == pytest.approx(0.5, abs=0.1)
    for planner in (Gradient(steps=150, rate=0.02, restarts=8), Mixed()):
        assert planner.plan(two_valleys, line, 1, generators_for([0])).actions.item() == pytest.approx(-0.6, abs=0.05)


def test_refining_improves_on_the_search():
    search = CEM(samples=30, elites=5, iterations=3)
    found = search.plan(bowl, BOX, 3, generators_for([0]))
    both = Mixed(search=search, refine=Gradient(steps=40)).plan(bowl, BOX, 3, generators_for([0]))
    assert both.cost < found.cost
    torch.testing.assert_close(both.trace[:3], found.trace)


def test_ideas_are_where_descents_begin():
    seen = []

    def watched(actions):
        seen.append(actions.detach().clone())
        return bowl(actions)

    ideas = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    start = Plan(torch.full((1, 2, 2), 0.4), torch.zeros(1), torch.zeros(1, 1), ideas)
    Gradient(steps=1, restarts=3).plan(watched, BOX, 2, generators_for([0]), start)
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([0.4, 0.1, 0.2]))


def test_parameters_of_the_model_get_no_gradients():
    weight = torch.nn.Parameter(torch.ones(()))
    Gradient(steps=3).plan(lambda actions: weight * bowl(actions), BOX, 2, generators_for([0]))
    assert weight.grad is None


def test_gradients_are_asked_for_where_they_are_switched_off():
    with torch.no_grad():
        plan = Gradient().plan(bowl, BOX, 2, generators_for([0]))
    assert plan.actions[0, 0, 0] > 0.9


def test_a_cost_without_a_gradient_is_told_of():
    with pytest.raises(ValueError, match="no gradient with regard to the actions"):
        Gradient().plan(lambda actions: bowl(actions.detach()), BOX, 2, generators_for([0]))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"optimizer": "Adma"}, "no optimizer 'Adma'"),
        ({"optimizer": "lr_scheduler"}, "no optimizer"),
        ({"rate": 0.0}, "rate"),
        ({"steps": 0}, "steps"),
        ({"restarts": 0}, "restarts"),
    ],
)
def test_numbers_that_make_no_descent_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Gradient(**fields)
