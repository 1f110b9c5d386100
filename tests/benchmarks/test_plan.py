"""The model that a plan's time is claimed for is the one that the recipe trains."""

from dataclasses import replace

from benchmarks.plan import CLAIMED, MODELS, PLANNING, pursue
from jepakit.recipes.worlds import two_rooms_planner


def test_the_claimed_model_is_that_of_the_recipe():
    assert MODELS[CLAIMED] == replace(two_rooms_planner().model, source=None)


def test_the_plan_is_of_the_size_that_is_claimed():
    planner = PLANNING.planner
    assert (planner.samples, planner.iterations, PLANNING.horizon) == (300, 30, 5)
    assert pursue(MODELS[CLAIMED].build().eval(), 1)().shape == (1, 1, 2)
