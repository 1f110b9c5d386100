"""Plans are carried out in the right portions, begin where the last one goes on, and reach goals in a simulator."""

from dataclasses import dataclass, replace

import pytest
import torch
from point import PointWorld

from jepakit.config import Config
from jepakit.contracts import Observation, State, WorldModel
from jepakit.family.leworld import TINY
from jepakit.planning.actions import Box
from jepakit.planning.cem import CEM
from jepakit.planning.control import Controller, Planning, Timing
from jepakit.planning.costs import Disagreement, Reach, Weighted
from jepakit.planning.gradient import Gradient
from jepakit.planning.planner import Plan, Planner
from jepakit.planning.simulated import Simulated

KNOWN = Reach(seen=0.0, felt=1.0, when="sum")
QUICK = CEM(samples=60, elites=8, iterations=6)


def seen(states):
    return Observation(states.new_zeros(len(states), 0, 1, 0, 0), states.unsqueeze(1))


@dataclass(frozen=True, kw_only=True)
class Recorder(Planner):
    """Plans the actions 0, 1, 2, ... and keeps what it was given."""

    def plan(self, costs_of, space, horizon, generators, start=None):
        CALLS.append((start, [generator.initial_seed() for generator in generators]))
        actions = torch.arange(float(horizon)).reshape(1, horizon, 1).expand(len(generators), -1, space.width) / 10
        candidates = actions.unsqueeze(1)
        return Plan(actions, costs_of(candidates)[:, 0], torch.zeros(1, len(generators)))


CALLS: list = []


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def pursue(planning, steps=1, model=None, **more):
    world = PointWorld()
    controller = Controller(model or Simulated(world, planning.timing.skip), planning, world.space, **more)
    pursuit = controller.begin(seen(torch.ones(2, 2)), [3, 4])
    return [pursuit(seen(torch.zeros(2, 2))) for _ in range(steps)], pursuit


def test_decisions_are_held_and_told_as_the_model_learnt_them():
    decisions = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    done = Timing(hold=2).done(decisions)
    assert done[:, 0].tolist() == [1, 1, 3, 3, 5, 5]
    assert Timing(skip=3).told_of(done).tolist() == [[1, 2, 1, 2, 3, 4], [3, 4, 5, 6, 5, 6]]
    assert Timing(skip=3, told="sum").told_of(done).tolist() == [[5, 8], [13, 16]]
    assert torch.equal(Timing().told_of(done), done)
    with pytest.raises(ValueError, match="no multiple"):
        Timing(skip=4).told_of(done)


@pytest.mark.parametrize(("execute", "count"), [(1, 1), (3, 3), (None, 5)])
def test_as_much_of_a_plan_is_done_as_was_asked_for(execute, count):
    (actions,), _ = pursue(Planning(planner=Recorder(), horizon=5, execute=execute, cost=KNOWN))
    assert actions.shape == (2, count, 2)
    torch.testing.assert_close(actions[0, :, 0], torch.arange(float(count)) / 10)


def test_held_decisions_are_done_as_often():
    timing = Timing(hold=3)
    (actions,), _ = pursue(Planning(planner=Recorder(), horizon=4, execute=6, timing=timing, cost=KNOWN))
    torch.testing.assert_close(actions[0, :, 0], torch.tensor([0, 0, 0, 0.1, 0.1, 0.1]))


def test_the_next_search_begins_where_the_plan_goes_on():
    pursue(Planning(planner=Recorder(), horizon=5, execute=2, cost=KNOWN), steps=2)
    (first, seeds), (second, other_seeds) = CALLS
    assert first is None
    torch.testing.assert_close(second.actions[0, :, 0], torch.tensor([0.2, 0.3, 0.4, 0.4, 0.4]))
    assert seeds != other_seeds, "each plan draws anew"
    CALLS.clear()
    pursue(Planning(planner=Recorder(), horizon=5, execute=2, warm=False, cost=KNOWN), steps=2)
    assert CALLS[1][0] is None
    CALLS.clear()
    pursue(Planning(planner=Recorder(), horizon=5, execute=None, cost=KNOWN), steps=2)
    assert CALLS[1][0] is None, "nothing is left of a plan that was done"


def test_a_warm_start_helps_a_small_search():
    world, goals = PointWorld(), torch.tensor([[5.0, 5.0], [-5.0, 4.0], [0.0, -7.0]])
    left = {}
    for warm in (True, False):
        planning = Planning(planner=CEM(samples=20, elites=4, iterations=2), horizon=6, warm=warm, cost=KNOWN)
        pursuit = Controller(Simulated(world), planning, world.space).begin(seen(goals), range(3))
        states = torch.zeros(3, 2)
        for _ in range(6):
            states = world.step(states, pursuit(seen(states))[:, 0])
        left[warm] = (states - goals).norm(dim=-1)
    assert (left[True] < left[False]).all()


@pytest.mark.parametrize("planner", [QUICK, Gradient(steps=60)])
def test_plans_in_the_true_simulator_lead_to_the_goal(planner):
    planning = Planning(planner=planner, horizon=4, execute=None, cost=KNOWN)
    world, goal, state = PointWorld(), torch.tensor([[1.5, 1.0], [-1.0, 0.5]]), torch.zeros(2, 2)
    pursuit = Controller(Simulated(world), planning, world.space).begin(seen(goal), [0, 1])
    for action in pursuit(seen(state)).unbind(dim=1):
        state = world.step(state, action)
    torch.testing.assert_close(state, goal, atol=0.25, rtol=0)


def test_candidates_may_be_imagined_in_portions():
    class Counted(Simulated):
        def imagine(self, state, actions):
            counts.append(actions.shape[1])
            return super().imagine(state, actions)

    planning, world = Planning(planner=QUICK, horizon=3, cost=KNOWN), PointWorld()
    plans = []
    for at_once in (None, 25):
        counts = []
        pursuit = Controller(Counted(world), planning, world.space, at_once=at_once).begin(seen(torch.ones(1, 2)), [3])
        plans.append(pursuit(seen(torch.zeros(1, 2))))
    assert set(counts) == {25, 10}
    torch.testing.assert_close(plans[0], plans[1])


def test_another_cost_takes_the_place_of_the_numbers():
    def away(goal):
        return lambda states, actions: -states.known[:, :, -1].norm(dim=-1)

    planning = Planning(planner=QUICK, horizon=3, execute=None)
    (actions,), _ = pursue(planning, cost=away)
    assert (actions.sum(dim=1).norm(dim=-1) > 2.5).all()


def test_the_simulator_is_a_model_and_moves_as_the_world_does():
    world = PointWorld()
    model = Simulated(world, skip=2)
    assert isinstance(model, WorldModel)
    state = model.encode(seen(torch.tensor([[1.0, 2.0]])))
    assert state.latent.shape == (1, 1, 2)
    actions = torch.tensor([[0.1, 0.0, 0.2, 0.0], [0.0, 0.3, 0.0, 0.4]]).view(1, 1, 2, 4)
    found = model.imagine(state, actions)
    assert found.latent.shape == (1, 1, 2, 1, 2)
    torch.testing.assert_close(found.known[0, 0], torch.tensor([[1.3, 2.0], [1.3, 2.7]]))
    with pytest.raises(ValueError, match="needs the state of the world"):
        model.encode(Observation(torch.zeros(1, 3, 1, 4, 4)))
    with pytest.raises(ValueError, match="1 step of the world"):
        Simulated(world, skip=0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"horizon": 0}, "1 decision or more"),
        ({"execute": 0}, "execute"),
        ({"execute": 6}, "execute"),
        ({"timing": Timing(hold=2), "execute": 3}, "multiple of hold"),
        ({"timing": Timing(skip=2), "execute": None}, "no multiple"),
    ],
)
def test_numbers_that_make_no_planning_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Planning(**fields)
    with pytest.raises(ValueError, match="hold and skip"):
        Timing(hold=0)
    with pytest.raises(ValueError, match="at_once"):
        Controller(Simulated(PointWorld()), Planning(), Box(low=(0.0,), high=(1.0,)), at_once=0)


def test_planning_travels_as_json_and_says_its_numbers():
    planning = Planning(planner=QUICK, horizon=4, timing=Timing(hold=3, skip=3), execute=6, cost=KNOWN)
    assert Config.from_json(planning.to_json()) == planning
    told = str(planning)
    for words in ("samples=60", "4 decisions = 12 steps", "3 a step of the model", "execute 6", "warm", "felt=1.0"):
        assert words in told
    assert "open loop" in str(replace(planning, execute=None))


def test_a_state_of_many_tokens_is_pursued():
    class Shift:
        """Every token of a latent moves by the action."""

        def encode(self, observation):
            return State(observation.x[:, :2, -1].flatten(2).transpose(1, 2))

        def imagine(self, state, actions):
            return State(state.latent[:, None, None] + actions.cumsum(dim=2).unsqueeze(-2))

    start, goal = torch.zeros(1, 2, 1, 3, 3), torch.ones(1, 2, 1, 3, 3)
    space = Box(low=(-1.0, -1.0), high=(1.0, 1.0))
    planning = Planning(planner=CEM(iterations=10), horizon=3, execute=None)
    actions = Controller(Shift(), planning, space).begin(Observation(goal), [0])(Observation(start))
    torch.testing.assert_close(actions.sum(dim=1), torch.ones(1, 2), atol=0.05, rtol=0)


def test_what_an_ensemble_is_unsure_of_is_asked_anew_at_every_plan():
    """Two predictors of one encoder that remember frames: at each of two plans, from what was seen by then."""
    torch.manual_seed(0)
    tiny = replace(TINY, proprio=0)
    model, other = tiny.build().eval(), tiny.build().eval()
    other.network.load_state_dict(model.network.state_dict())  # what two trainings have in common
    space, draw = Box(low=(-1.0,) * TINY.action, high=(1.0,) * TINY.action), torch.Generator().manual_seed(1)
    planning, wish = Planning(planner=Recorder(), horizon=2), Reach()
    controller = Controller(
        model, planning, space, lambda goal: Weighted(((1.0, wish(goal)), (3.0, Disagreement((other,)))))
    )
    clips, told = (
        torch.randn(2, *TINY.samples[0], generator=draw),
        torch.randn(2, TINY.frames - 1, TINY.action, generator=draw),
    )
    pursuit, paid = controller.begin(Observation(clips[:, :, -1:]), [3, 4]), []
    for count in (1, 3):
        seen = Observation(clips[:, :, :count], None, told[:, : count - 1])
        pursuit(seen)
        actions = pursuit.plan.actions.unsqueeze(1)
        futures = [each.imagine(each.encode(seen), actions) for each in (model, other)]
        unsure = (
            torch.stack([future.latent for future in futures]).var(dim=0, correction=0).mean(dim=(-2, -1)).sum(dim=2)
        )
        far = wish(model.encode(Observation(clips[:, :, -1:])))(futures[0], actions)
        torch.testing.assert_close(pursuit.plan.cost, (far + 3 * unsure)[:, 0])
        paid.append(unsure)
    assert (paid[0] - paid[1]).abs().min() > 1e-4
