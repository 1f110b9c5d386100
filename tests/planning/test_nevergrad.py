"""Nevergrad's optimizers obey the laws of planners, and who has not installed it is told how to."""

import sys

import pytest
import torch

from jepakit.planning.actions import Box
from jepakit.planning.nevergrad import Nevergrad
from jepakit.planning.planner import generators_for

BOX = Box(low=(-1.0, 0.2, 0.5), high=(1.0, 2.0, 0.5), longest=1.5)


def bowl(actions):
    return (actions - torch.tensor([0.4, 0.6, 0.0])).square().sum(dim=(2, 3))


def test_who_has_not_installed_it_is_told_how_to(monkeypatch):
    monkeypatch.setitem(sys.modules, "nevergrad", None)
    with pytest.raises(ImportError, match=r"pip install 'jepakit\[nevergrad\]'"):
        Nevergrad().plan(bowl, BOX, 2, generators_for([0]))


@pytest.mark.filterwarnings("ignore")
def test_plans_are_good_allowed_and_do_not_depend_on_the_batch():
    pytest.importorskip("nevergrad", exc_type=ImportError)
    planner = Nevergrad(samples=20, iterations=20)
    plan = planner.plan(bowl, BOX, 2, generators_for([1, 2]))
    torch.testing.assert_close(plan.actions, torch.tensor([0.4, 0.6, 0.5]).expand(2, 2, 3), atol=0.2, rtol=0)
    assert torch.equal(BOX.project(plan.actions), plan.actions)
    assert (plan.trace.diff(dim=0) <= 0).all()
    torch.testing.assert_close(planner.plan(bowl, BOX, 2, generators_for([2])).actions[0], plan.actions[1])
    start = planner.plan(bowl, BOX, 2, generators_for([3]), planner.plan(bowl, BOX, 2, generators_for([1])))
    assert start.cost < 1.0
    with pytest.raises(ValueError, match="no optimizer 'NoSuch'"):
        Nevergrad(optimizer="NoSuch").plan(bowl, BOX, 2, generators_for([0]))


def test_a_search_asks_for_something():
    with pytest.raises(ValueError, match="1 or more"):
        Nevergrad(samples=0)
