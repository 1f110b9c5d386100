"""The model that a plan's time is claimed for is the one that the recipe trains, and as small as the claim says."""

from benchmarks.plan import CLAIMED, LIMIT, MODELS, PLANNING, pursue
from jepakit.recipes.worlds import two_rooms


def test_the_claimed_model_is_that_of_the_recipe_and_small():
    assert MODELS[CLAIMED] == two_rooms().model
    model = MODELS[CLAIMED].build()
    assert sum(weight.numel() for weight in model.dynamics.parameters()) <= LIMIT


def test_the_plan_is_of_the_size_that_is_claimed():
    planner = PLANNING.planner
    assert (planner.samples, planner.iterations, PLANNING.horizon) == (300, 30, 5)
    assert pursue(MODELS[CLAIMED].build().eval(), 1)().shape == (1, 1, 2)
