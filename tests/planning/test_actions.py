"""Projection is the nearest allowed action, and bounds that nothing fits are refused."""

import pytest
import torch
from scipy.optimize import minimize

from jepakit.planning.actions import Box, Choices
from jepakit.planning.planner import Plan

SHAPES = [
    Box(low=(-1.0, -1.0), high=(1.0, 1.0)),
    Box(low=(-1.0, -2.0), high=(1.0, 0.5), longest=1.2),
    Box(low=(0.5, -2.0), high=(1.0, 2.0), longest=0.9),
    Box(low=(-3.0, 0.1, -1.0), high=(3.0, 0.1, 4.0), longest=2.0),
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def allowed(box, actions, slack=1e-5):
    low, high = torch.tensor(box.low), torch.tensor(box.high)
    inside = (actions >= low).all() and (actions <= high).all()
    return bool(inside) and (box.longest is None or bool((actions.norm(dim=-1) <= box.longest + slack).all()))


@pytest.mark.parametrize("box", SHAPES)
def test_everything_is_projected_into_the_space_and_stays_there(box):
    wild = 10 * torch.randn(200, 3, box.width, generator=generator())
    kept = box.project(wild)
    assert allowed(box, kept)
    torch.testing.assert_close(box.project(kept), kept, rtol=1e-6, atol=1e-6)
    assert allowed(box, box.draw((500,), generator()))
    assert allowed(box, box.center)


@pytest.mark.parametrize("box", SHAPES)
def test_the_projection_is_the_nearest_allowed_action(box):
    bounds = list(zip(box.low, box.high, strict=True))
    inside = [] if box.longest is None else [{"type": "ineq", "fun": lambda y: box.longest**2 - (y**2).sum()}]

    def distance(y, x):
        return ((y - x) ** 2).sum()

    for wild in 4 * torch.randn(20, box.width, generator=generator(1)).double():
        found = box.project(wild.float()).double()
        start = box.center.double().numpy()
        best = minimize(distance, start, args=(wild.numpy(),), bounds=bounds, constraints=inside)
        assert (found - wild).norm() <= best.fun**0.5 + 1e-3


def test_actions_are_drawn_from_all_of_the_box():
    drawn = Box(low=(-1.0, 0.0), high=(1.0, 4.0)).draw((4000,), generator())
    torch.testing.assert_close(drawn.mean(dim=0), torch.tensor([0.0, 2.0]), atol=0.08, rtol=0)
    assert drawn[:, 0].min() < -0.99
    assert drawn[:, 1].max() > 3.99


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"low": (1.0,), "high": (0.0,)}, "at least 1.0 and at most 0.0"),
        ({"low": (3.0, 4.0), "high": (9.0, 9.0), "longest": 4.9}, "make longest larger"),
        ({"low": (-1.0,), "high": (1.0,), "longest": -1.0}, "make longest larger"),
        ({"low": (-1.0,), "high": (1.0, 1.0)}, "one low and one high bound"),
        ({"low": (), "high": ()}, "one low and one high bound"),
        ({"low": (float("-inf"),), "high": (1.0,)}, "finite"),
        ({"low": (float("nan"),), "high": (1.0,)}, "finite"),
    ],
)
def test_bounds_that_no_action_fits_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Box(**fields)


def test_choices_are_a_one_among_zeros():
    space = Choices(count=3)
    drawn = space.draw((600, 2), generator())
    assert drawn.shape == (600, 2, 3)
    assert (drawn.sum(dim=-1) == 1).all()
    torch.testing.assert_close(drawn.mean(dim=(0, 1)), torch.full((3,), 1 / 3), atol=0.05, rtol=0)
    assert space.project(torch.tensor([0.1, 0.7, 0.3])).tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="1 choice or more"):
        Choices(count=0)


def test_spaces_travel_as_json():
    for space in (*SHAPES, Choices(count=4)):
        assert type(space).from_json(space.to_json()) == space


def test_a_plan_that_is_partly_done_moves_up_and_its_last_action_goes_on():
    actions = torch.arange(6.0).reshape(1, 3, 2) / 10
    plan = Plan(actions, torch.zeros(1), torch.zeros(1, 1), actions[:, None])
    later = plan.later(2, Box(low=(-1.0, -1.0), high=(1.0, 1.0)))
    torch.testing.assert_close(later.actions[0], actions[0, [2, 2, 2]])
    torch.testing.assert_close(later.ideas[0, 0], later.actions[0])
    assert torch.equal(plan.later(9, Choices(count=2)).actions[0], torch.tensor([[0.0, 1.0]] * 3))
