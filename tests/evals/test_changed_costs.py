"""Zones lie on the way, success means never to have been there, and fleeing is the opposite of reaching."""

from dataclasses import replace

import pytest
import torch

from jepakit.evals.changed_costs import RADIUS, CarefulPolicy, Fleeing, without_entering, zones_between
from jepakit.evals.goals import TWO_ROOMS
from jepakit.planning.costs import KnownPositions, Reach
from jepakit.planning.policies import States
from jepakit.planning.protocol import evaluate
from jepakit.planning.simulated import Simulated
from jepakit.worlds.two_rooms import TwoRooms

WORLD = TwoRooms()
COST = Reach(measure="root_l2", when="sum", final=16.0)
SUITE = replace(TWO_ROOMS, episodes=16, budget=60, planning=replace(TWO_ROOMS.planning, cost=COST))


def test_a_zone_lies_half_way_to_the_goal_or_to_the_door():
    starts = torch.tensor([[10.0, 10.0, 32.0, 40.0], [10.0, 10.0, 32.0, 40.0]])
    goals = torch.tensor([[20.0, 30.0, 32.0, 40.0], [50.0, 30.0, 32.0, 40.0]])
    assert zones_between(WORLD, starts, goals).tolist() == [[15.0, 20.0], [21.0, 25.0]]


@pytest.fixture(scope="module")
def careless():
    return SUITE.play(SUITE.by_truth())


@pytest.fixture(scope="module")
def careful():
    truth = SUITE.by_truth().planning
    assert truth is not None
    policy = CarefulPolicy(WORLD, Simulated(WORLD, 4), truth, States(), KnownPositions((0, 1)))
    return evaluate(policy, WORLD, SUITE.protocol(truth))


def test_who_knows_of_a_zone_goes_around_it(careless, careful):
    assert careless.rate > 0.8
    blind, seeing = (without_entering(outcome, WORLD) for outcome in (careless, careful))
    assert blind.rate < 0.4
    assert seeing.rate > blind.rate + 0.3


def test_episodes_too_short_for_a_zone_are_left_out_and_counted(careless):
    judged = without_entering(careless, WORLD)
    assert len(judged.episodes) + judged.excluded == 16
    assert 0 < len(judged.episodes) < len(careless.episodes)
    assert len(judged.states) == len(judged.goals) == len(judged.episodes)
    zones = zones_between(WORLD, judged.states[:, 0], judged.goals)
    inside = ((judged.states[..., :2] - zones.unsqueeze(1)).norm(dim=2) < RADIUS).any(dim=1)
    assert not any(episode.reached for episode, was in zip(judged.episodes, inside.tolist(), strict=True) if was)
    with pytest.raises(ValueError, match="no episode is long enough"):
        without_entering(replace(careless, states=careless.goals.unsqueeze(1)), WORLD)


def test_the_truth_flees_where_chance_does_not():
    suite = replace(SUITE, world=Fleeing(), planning=replace(SUITE.planning, cost=replace(COST, seen=-1.0)))
    rates = {
        policy.name: evaluate(
            policy, suite.simulator, replace(suite.protocol(policy.planning), success="final")
        ).rate
        for policy in (suite.by_truth(), suite.by_chance())
    }  # fmt: skip
    assert rates["planning with the true simulator"] == 1
    assert rates["random"] < 0.6
