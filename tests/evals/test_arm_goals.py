"""The arm's suites: what is searched, and that the true simulator does the tasks through what is shown."""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from jepakit.config import Config
from jepakit.evals.arm_goals import SEARCHED, SHIFTS, WISHES
from jepakit.evals.goals import ARM, SUITES, GoalReaching
from jepakit.planning.costs import Reach

pytestmark = pytest.mark.skipif(find_spec("mujoco") is None, reason="MuJoCo is missing: pip install 'jepakit[arm]'")


def quick(name: str, episodes: int) -> GoalReaching:
    planner = replace(ARM[name].planning.planner, samples=16, elites=3, iterations=3)
    return replace(ARM[name], planning=replace(ARM[name].planning, planner=planner, horizon=1), episodes=episodes)


def test_the_true_simulator_reaches_where_chance_does_not():
    suite = replace(quick("reach", 2), budget=6)
    assert suite.play(suite.by_truth()).rate == 1.0
    assert suite.play(suite.by_chance()).rate == 0.0


def test_the_true_simulator_grasps_through_what_is_shown_on_the_way():
    suite = replace(quick("grasp", 2), budget=12, stages=(6, 2, 4))
    outcome = suite.play(suite.by_truth())
    assert outcome.rate >= 0.5
    assert "in stages of 6, 2, 4" in outcome.protocol


def test_the_hand_is_not_turned_and_moves_no_farther_than_it_may():
    suite = ARM["pick_place_subgoals"]
    drawn = suite.space.draw((500,), torch.Generator().manual_seed(0))
    turns = [place for place in range(7) if place not in SEARCHED]
    assert (drawn[:, turns] == 0).all()
    assert drawn[:, :3].abs().max() <= 0.05
    assert drawn[:, 6].abs().max() > 0.9


@pytest.mark.parametrize("name", ARM)
def test_suites_travel_and_their_goals_can_be_wished_for_in_each_way(name):
    suite = SUITES[f"arm7_{name}"]
    assert Config.from_json(suite.to_json()) == suite
    for wish in WISHES.values():
        cost = replace(suite.planning.cost, **wish)
        assert isinstance(cost, Reach)
        assert cost.seen or cost.felt


@pytest.mark.parametrize("changes", SHIFTS.values(), ids=SHIFTS)
def test_tasks_can_be_done_where_the_world_is_another(changes):
    world = replace(ARM["grasp"].world, **changes).build()
    seeds = torch.arange(2)
    starts, through = world.start(seeds), world.subgoals(seeds)
    assert world.solved(through[:, -1], through[:, -1]).all()
    assert not world.solved(starts, through[:, -1]).any()
