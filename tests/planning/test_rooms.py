"""Planning in a world with a wall: with its simulator it gets through the door; models that see plan in any timing."""

from dataclasses import replace

import pytest
import torch

from jepakit.data.trajectories import SMALL_PICTURE
from jepakit.family import leworld, pldm
from jepakit.planning.actions import Box
from jepakit.planning.cem import CEM
from jepakit.planning.control import Controller, Planning, Timing
from jepakit.planning.costs import Distance, KeepOut, KnownPositions, Reach, Weighted
from jepakit.planning.gradient import Gradient
from jepakit.planning.planner import generators_for
from jepakit.planning.policies import Moments, Pictures, PlanningPolicy, RandomPolicy, States
from jepakit.planning.protocol import EvaluationProtocol, evaluate
from jepakit.planning.simulated import Simulated
from jepakit.worlds.two_rooms import TwoRooms

TRIALS = EvaluationProtocol(episodes=8, seeds=(0,), budget=60)
PLANNING = Planning(
    planner=CEM(samples=100, elites=10, iterations=6),
    horizon=12,
    timing=Timing(hold=4),
    execute=8,
    cost=Reach(seen=0.0, felt=1.0, when="sum", places=(0, 1)),
)


def test_the_simulator_leads_into_the_other_room():
    world = TwoRooms(crossing=1.0)
    controller = Controller(Simulated(world), PLANNING, Box.of(world))
    planned = evaluate(PlanningPolicy(controller, States()), world, replace(TRIALS, planning=PLANNING))
    random = evaluate(RandomPolicy(Box.of(world)), world, TRIALS)
    assert planned.rate >= 0.75
    assert random.rate <= 0.25
    assert planned.clamped == 0


def test_a_zone_is_kept_out_of_without_a_new_model():
    """The shortest way leads through a disc between start and goal; the way that pays for the disc goes around it."""
    world = TwoRooms()
    start = torch.tensor([[10.0, 20.0, 40.0, 10.0]])
    goal = torch.tensor([[10.0, 48.0, 40.0, 10.0]])
    center, radius = torch.tensor([[10.0, 34.0]]), torch.tensor([6.0])

    class Fixed(TwoRooms):
        def start(self, seeds):
            return start.expand(len(seeds), -1)

        def goal(self, seeds):
            return goal.expand(len(seeds), -1)

    def careful(wanted):
        zone = KeepOut(center, radius, KnownPositions((0, 1)), margin=1.0)
        return Weighted(((1.0, PLANNING.cost(wanted)), (10_000.0, zone)))

    trials = replace(TRIALS, episodes=1, budget=32, planning=PLANNING)
    deepest = {}
    for name, cost in (("straight", None), ("careful", careful)):
        controller = Controller(Simulated(world), PLANNING, Box.of(world), cost=cost)
        outcome = evaluate(PlanningPolicy(controller, States()), Fixed(), trials)
        assert outcome.rate == 1, name
        deepest[name] = (outcome.states[..., :2] - center).norm(dim=-1).min()
    assert deepest["straight"] < 3
    assert deepest["careful"] >= radius - 0.01


SIX = replace(pldm.NANO, action=6)
TIMINGS = {
    "each": (leworld.NANO, Timing()),
    "concatenated": (SIX, Timing(skip=3)),
    "summed": (pldm.NANO, Timing(hold=2, skip=2, told="sum")),
}


@pytest.mark.parametrize(("config", "timing"), TIMINGS.values(), ids=TIMINGS)
def test_models_that_see_plan_in_every_timing(config, timing):
    world, model = TwoRooms(), config.build().eval()
    draw = torch.Generator().manual_seed(0)
    for weight in model.dynamics.parameters():
        torch.nn.init.normal_(weight, std=0.05, generator=draw)
    planning = Planning(
        planner=CEM(samples=8, elites=2, iterations=2), horizon=6 // timing.hold, timing=timing, execute=None
    )
    policy = PlanningPolicy(Controller(model, planning, Box.of(world)), Pictures(SMALL_PICTURE, window=2))
    outcome = evaluate(policy, world, EvaluationProtocol(episodes=2, seeds=(0,), budget=8, planning=planning))
    assert outcome.states.diff(dim=1).norm(dim=-1).sum() > 0
    assert outcome.plans == 2 * len(outcome.episodes)


def test_gradients_go_through_a_learned_model_and_stay_out_of_its_weights():
    torch.manual_seed(0)
    model = leworld.NANO.build().eval()
    torch.nn.init.normal_(model.dynamics.change[-1].weight, std=0.05)
    planning = Planning(planner=Gradient(steps=30), horizon=3, execute=None)
    controller = Controller(model, planning, Box(low=(-1.0, -1.0), high=(1.0, 1.0)))
    start = model.encode(Pictures(SMALL_PICTURE)(moments(), Timing()))
    actions = torch.full((1, 1, 3, 2), 0.5)
    goal = model.imagine(start, actions)
    wanted = replace(start, latent=goal.latent[:, 0, -1])
    costs = controller.costs_of(start, Distance(wanted))
    plan = planning.planner.plan(costs, controller.space, 3, generators_for([0]))
    assert plan.cost < 0.1 * costs(torch.zeros(1, 1, 3, 2)).detach()[:, 0]
    assert all(weight.grad is None for weight in model.parameters())


def moments():
    world = TwoRooms()
    return Moments(world, world.start(torch.tensor([5]))[:, None], torch.zeros(1, 0, 2))
