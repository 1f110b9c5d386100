"""Evaluations count what they say: fixed budgets, solved starts left out, clamped actions, intervals, same episodes."""

import json
from dataclasses import dataclass, replace

import pytest
import torch
from point import PointWorld, Seeing

from jepakit.config import Config
from jepakit.contracts import Observation, State
from jepakit.planning.cem import CEM
from jepakit.planning.control import Controller, Planning, Timing
from jepakit.planning.costs import Reach
from jepakit.planning.policies import GoalPolicy, Moments, Pictures, PlanningPolicy, RandomPolicy, States
from jepakit.planning.protocol import APART, EvaluationProtocol, evaluate
from jepakit.planning.simulated import Simulated
from jepakit.probes.result import wilson
from jepakit.worlds.chance import seeds_of

SHORT = EvaluationProtocol(episodes=12, seeds=(0, 1), budget=12)
PLANNING = Planning(
    planner=CEM(samples=40, elites=6, iterations=5), horizon=4, execute=3, cost=Reach(seen=0.0, felt=1.0, when="sum")
)


@dataclass(frozen=True)
class Straight:
    """Goes straight to the goal, with actions that are too long where `longest` is above what the world takes."""

    longest: float = 1.0
    execute: int = 1
    name: str = "straight"
    planning: Planning | None = None

    def begin(self, goals, seeds):
        def act(moments):
            way = goals.states[:, 0] - moments.states[:, -1]
            step = way * (self.longest / way.norm(dim=-1, keepdim=True)).clamp(max=1)
            return torch.stack([step] + [torch.zeros_like(step)] * (self.execute - 1), dim=1)

        return (lambda moments: act(moments)[:, :0]) if self.execute == 0 else act


@dataclass(frozen=True)
class Through(Straight):
    """Goes in the direction of the goal, and on and on."""

    def begin(self, goals, seeds):
        way = torch.nn.functional.normalize(goals.states[:, 0], dim=-1)
        return lambda moments: way.unsqueeze(1)


class Centered(PointWorld):
    """Starts in the middle, with every fourth goal there, too."""

    def start(self, seeds):
        return torch.zeros(len(seeds), 2)

    def goal(self, seeds):
        far = 3 * torch.nn.functional.normalize(super().goal(seeds), dim=-1)
        return torch.where((torch.arange(len(seeds)) % 4 == 0)[:, None], 0.1, far)


def oracle(world, planning=PLANNING):
    return PlanningPolicy(Controller(Simulated(world, planning.timing.skip), planning, world.space), States(), "oracle")


def test_who_goes_straight_arrives_and_who_knows_nothing_rarely():
    straight, random = (
        evaluate(policy, PointWorld(), SHORT) for policy in (Straight(), RandomPolicy(PointWorld().space))
    )
    assert straight.rate == 1
    assert random.rate < 0.5
    for outcome in (straight, random):
        count = sum(episode.reached for episode in outcome.episodes)
        assert outcome.interval == wilson(count, len(outcome.episodes))
    assert isinstance(Straight(), GoalPolicy)
    assert isinstance(RandomPolicy(PointWorld().space), GoalPolicy)
    assert isinstance(oracle(PointWorld()), GoalPolicy)


def test_planning_with_the_true_simulator_arrives():
    outcome = evaluate(oracle(PointWorld()), PointWorld(), replace(SHORT, planning=PLANNING))
    assert outcome.rate == 1
    assert outcome.clamped == 0, "planners stay within their bounds"
    assert outcome.plans == 4 * len(outcome.episodes)


def test_solved_starts_are_left_out_and_counted():
    outcome = evaluate(Straight(), Centered(), SHORT)
    assert outcome.excluded == 6
    assert len(outcome.episodes) == 18
    assert all(episode.number % 4 for episode in outcome.episodes)
    assert all(episode.steps == 3 for episode in outcome.episodes), "2.5 from the edge of the goal, 1 a step"


def test_once_is_enough_or_only_the_end_counts():
    anytime = evaluate(Through(), Centered(), SHORT)
    final = evaluate(Through(), Centered(), replace(SHORT, success="final"))
    assert anytime.rate == 1
    assert final.rate == 0
    assert all(episode.reached and not episode.final for episode in final.episodes)


def test_the_budget_is_kept_exactly():
    for execute, budget in ((1, 2), (5, 7), (9, 3)):
        outcome = evaluate(Straight(execute=execute), Centered(), replace(SHORT, budget=budget))
        assert outcome.states.shape[1] == budget + 1
        assert outcome.actions == budget * len(outcome.episodes)
    late = evaluate(Straight(), Centered(), replace(SHORT, budget=2))
    assert late.rate == 0
    assert late.steps is None


def test_actions_beyond_the_bounds_are_cut_and_counted():
    wide = Centered(low=torch.full((2,), -9.0), high=torch.full((2,), 9.0))
    far = evaluate(Straight(longest=2.9), wide, SHORT)
    assert far.clamped == 2 * len(far.episodes), "after two steps the goal is within reach of an allowed one"
    assert (far.states.diff(dim=1).norm(dim=-1) <= 1 + 1e-5).all()
    assert all(episode.steps == 3 for episode in far.episodes)
    assert evaluate(Straight(), Centered(), SHORT).clamped == 0


def test_seeds_repeat_and_episodes_do_not_depend_on_the_batch():
    protocol = replace(SHORT, planning=PLANNING, episodes=5, budget=4)
    whole = evaluate(oracle(PointWorld()), PointWorld(), protocol)
    parts = evaluate(oracle(PointWorld()), PointWorld(), protocol, batch=2)
    torch.testing.assert_close(whole.states, parts.states, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(whole.states, evaluate(oracle(PointWorld()), PointWorld(), protocol).states)
    other = evaluate(oracle(PointWorld()), PointWorld(), replace(protocol, seeds=(2, 3)))
    assert not torch.allclose(whole.goals, other.goals)


def test_all_policies_meet_the_same_episodes():
    first = evaluate(Straight(), PointWorld(), SHORT)
    second = evaluate(RandomPolicy(PointWorld().space, hold=3), PointWorld(), SHORT)
    assert torch.equal(first.goals, second.goals)
    assert torch.equal(first.states[:, 0], second.states[:, 0])
    held = second.states.diff(dim=1)
    torch.testing.assert_close(held[:, 0], held[:, 2], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(held[:, 2], held[:, 3])


def test_goals_of_a_dataset_were_recorded_so_many_steps_on():
    draw = torch.Generator().manual_seed(0)
    recorded = [torch.randn(length, 2, generator=draw).cumsum(dim=0) * 2 for length in (3, 12, 20, 8)]
    protocol = replace(SHORT, goals="dataset", offset=7, episodes=150, seeds=(0,))
    outcome = evaluate(Straight(), PointWorld(), protocol, recorded)
    found = set()
    for start, goal in zip(outcome.states[:, 0], outcome.goals, strict=True):
        row, at = next(
            (r, t) for r, states in enumerate(recorded) for t in range(len(states)) if (states[t] == start).all()
        )
        assert torch.equal(recorded[row][at + 7], goal)
        found.add((row, at))
    assert {row for row, _ in found} == {1, 2, 3}
    with pytest.raises(ValueError, match="8 moments"):
        evaluate(Straight(), PointWorld(), protocol, recorded[:1])
    with pytest.raises(ValueError, match="give the states"):
        evaluate(Straight(), PointWorld(), protocol)


def test_pictures_are_drawn_for_those_who_look():
    world = PointWorld()
    evaluate(oracle(world), world, replace(SHORT, planning=PLANNING))
    evaluate(RandomPolicy(world.space), world, SHORT)
    assert world.rendered == 0


def test_a_model_sees_pictures_and_actions_as_it_learnt_them():
    states = torch.arange(7.0).reshape(1, 7, 1).expand(2, 7, 2)
    actions = torch.arange(6.0).reshape(1, 6, 1).expand(2, 6, 2)
    look = Pictures(Seeing(), window=3)
    observed = look(Moments(PointWorld(), states, actions), Timing(skip=2))
    torch.testing.assert_close(observed.x[0, 0, :, 0, 0], torch.tensor([14.8, 16.8, 18.8]))
    assert observed.x.shape == (2, 3, 3, 2, 2)
    assert observed.known[0, :, 0].tolist() == [2, 4, 6]
    assert observed.actions[0].tolist() == [[2, 2, 3, 3], [4, 4, 5, 5]]
    summed = look(Moments(PointWorld(), states, actions), Timing(skip=2, told="sum"))
    assert summed.actions[0].tolist() == [[5, 5], [9, 9]]
    first = look(Moments(PointWorld(feels=False), states[:, :2], actions[:, :1]), Timing(skip=2))
    assert first.x.shape[2] == 1
    assert first.known is None
    assert first.actions is None
    with pytest.raises(ValueError, match="1 picture or more"):
        Pictures(Seeing(), window=0)


class Seen:
    """A model that reads the place of the point off its picture."""

    def encode(self, observation):
        return State((observation.x[:, 0, -1, 0] - 12.8).unsqueeze(1))

    def imagine(self, state, actions):
        return State(state.latent[:, None, None] + actions.cumsum(dim=2).unsqueeze(-2))


def test_goals_are_reached_from_pictures():
    world = PointWorld()
    planning = replace(PLANNING, cost=Reach(when="sum"))
    policy = PlanningPolicy(Controller(Seen(), planning, world.space), Pictures(Seeing()))
    outcome = evaluate(policy, world, replace(SHORT, planning=planning))
    assert outcome.rate == 1
    assert world.rendered == 24 - outcome.excluded + outcome.plans


class Corner(PointWorld):
    """Goals are reached through a corner."""

    def subgoals(self, seeds):
        goals = self.goal(seeds)
        return torch.stack([torch.full_like(goals, 5.0), goals], dim=1)


def test_stages_are_pursued_in_turn_for_their_steps():
    protocol = replace(SHORT, budget=20, stages=(12, 8), seeds=(0,))
    found = evaluate(Straight(), Corner(), protocol)
    corner = torch.full((2,), 5.0)
    assert ((found.states[:, 12] - corner).norm(dim=-1) < 0.5).all()
    assert found.actions == 20 * len(found.episodes)
    torch.testing.assert_close(found.goals, PointWorld().goal(seeds_of(APART, torch.arange(12)))[: len(found.goals)])
    alone = evaluate(Straight(), Corner(), replace(SHORT, budget=20, seeds=(0,)))
    assert not torch.equal(found.states, alone.states)
    assert "in stages of 12, 8" in found.protocol


def test_a_plan_does_not_outlast_its_stage():
    found = evaluate(Straight(execute=5), Corner(), replace(SHORT, budget=9, stages=(7, 2), seeds=(0,)))
    assert found.states.shape[1] == 10
    moves = found.states.diff(dim=1).norm(dim=-1)
    assert (moves[:, 5] > 0).any()  # the second plan of 5 steps, of which 2 are done before the stage is over
    assert (moves[:, 6] == 0).all()
    assert (moves[:, 7] > 0).any()


def test_stages_need_a_world_that_knows_as_many():
    with pytest.raises(ValueError, match="does not know what its goals are reached through"):
        evaluate(Straight(), PointWorld(), replace(SHORT, stages=(6, 6)))
    with pytest.raises(ValueError, match="reached through 2 states"):
        evaluate(Straight(), Corner(), replace(SHORT, stages=(4, 4, 4)))


def test_the_line_says_how_it_was_measured():
    protocol = replace(SHORT, planning=PLANNING)
    outcome = evaluate(oracle(PointWorld()), PointWorld(), protocol)
    line = str(outcome)
    assert "\n" not in line
    assert str(protocol) in line
    for words in ("oracle: 100.0%", "budget 12", "12 episodes for each of the seeds 0, 1", "samples=40", "CPU-seconds"):
        assert words in line
    offset = replace(SHORT, goals="dataset", offset=7)
    assert "recorded episodes, 7 steps on" in str(offset)
    assert Config.from_json(protocol.to_json()) == protocol
    told = json.loads(json.dumps(outcome.to_json()))
    assert told["n"] == len(told["episodes"]) == len(outcome.episodes)
    assert told["by_seed"] == {"0": 1.0, "1": 1.0}
    assert outcome.cpu_seconds_per_plan > 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"episodes": 0}, "1 episode"),
        ({"budget": 0}, "1 episode, step"),
        ({"seeds": ()}, "seed or more"),
        ({"goals": "dataset"}, "have an offset"),
        ({"offset": 3}, "have an offset"),
        ({"goals": "dataset", "offset": 0}, "have an offset"),
        ({"stages": (3, 4)}, "add up to the budget"),
    ],
)
def test_protocols_that_make_no_sense_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        EvaluationProtocol(**fields)


def test_a_policy_that_plans_otherwise_is_refused():
    with pytest.raises(ValueError, match="the protocol says"):
        evaluate(oracle(PointWorld()), PointWorld(), SHORT)
    with pytest.raises(ValueError, match="nothing is left to play"):
        evaluate(Straight(), PointWorld(reach=99.0), SHORT)
    with pytest.raises(ValueError, match="gave no action"):
        evaluate(Straight(execute=0), PointWorld(), SHORT)
    with pytest.raises(ValueError, match="batch"):
        evaluate(Straight(), PointWorld(), SHORT, batch=0)


def test_observations_of_the_true_state_hold_no_picture():
    observed = States()(Moments(PointWorld(), torch.ones(2, 4, 2), torch.zeros(2, 3, 2)), Timing())
    assert isinstance(observed, Observation)
    assert observed.known.shape == (2, 1, 2)
    assert observed.x.numel() == 0
