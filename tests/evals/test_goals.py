"""A suite opens its world when it is needed, and lets the truth plan by the numbers of the model."""

from dataclasses import replace

import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import World
from jepakit.evals.goals import TWO_ROOMS, GoalReaching
from jepakit.planning.cem import CEM
from jepakit.planning.control import Planning
from jepakit.planning.costs import Reach
from jepakit.worlds.push import Push

SMALL = replace(TWO_ROOMS, planning=replace(TWO_ROOMS.planning, planner=CEM(samples=4, elites=2, iterations=1)))


def test_a_world_is_opened_once():
    suite = replace(SMALL, world=Push())
    assert isinstance(suite.simulator, World)
    assert suite.simulator is suite.simulator


def test_what_is_no_world_is_refused():
    with pytest.raises(ValueError, match="CEM is no world"):
        _ = replace(SMALL, world=CEM()).simulator


def test_the_truth_pursues_the_same_cost_in_the_places_that_count():
    suite = GoalReaching(
        world=Push(), planning=Planning(cost=Reach(seen=-2.0, measure="root_l2")), true_places=(0, 4),
        true_scales=(1.0, 57.0), budget=10,
    )  # fmt: skip
    truth = suite.by_truth().planning
    assert truth is not None
    assert truth.cost == Reach(seen=0.0, felt=-2.0, measure="root_l2", places=(0, 4), scales=(1.0, 57.0))
    assert Config.from_json(suite.to_json()) == suite


def test_everybody_plays_the_same_episodes():
    suite = replace(SMALL, episodes=4, budget=4)
    first, second = suite.play(suite.by_chance()), suite.play(suite.by_truth())
    torch.testing.assert_close(first.goals, second.goals)
    torch.testing.assert_close(first.states[:, 0], second.states[:, 0])
    assert second.clamped == 0
