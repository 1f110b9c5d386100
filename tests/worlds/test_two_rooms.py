"""TwoRooms: nobody goes through a wall, and starts, goals and pictures are what they say."""

import pytest
import torch

from jepakit.contracts import World
from jepakit.worlds.two_rooms import TwoRooms

WORLD = TwoRooms()
SEEDS = torch.arange(400)


def free(states: torch.Tensor) -> torch.Tensor:
    """Whether each dot is where it may be, told from the picture's measures."""
    x, y, wall, door = states.unbind(dim=-1)
    inside = (x >= 3.5) & (x <= 59.5) & (y >= 3.5) & (y <= 59.5)
    return inside & (((x - wall).abs() >= 1.5) | ((y - door).abs() <= 4.5))


def test_it_is_a_world():
    assert isinstance(WORLD, World)
    assert TwoRooms.from_json(WORLD.to_json()) == WORLD


def test_starts_and_goals_are_functions_of_the_seed_and_free():
    starts, goals = WORLD.start(SEEDS), WORLD.goal(SEEDS)
    assert torch.equal(starts[37:40], WORLD.start(SEEDS[37:40]))
    assert torch.equal(goals[37:40], WORLD.goal(SEEDS[37:40]))
    assert free(starts).all()
    assert free(goals).all()
    assert torch.equal(starts[:, 2:], goals[:, 2:])
    assert len(starts[:, 2].unique()) > 15
    assert len(starts[:, 3].unique()) > 25


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_that_share_of_goals_is_in_the_other_room(share: float):
    world = TwoRooms(crossing=share)
    crosses = world.room(world.start(SEEDS)) != world.room(world.goal(SEEDS))
    assert abs(float(crosses.float().mean()) - share) < (0.08 if share == 0.5 else 1e-9)


def test_walls_are_never_crossed():
    """Between two moments, a dot changes rooms in the rows of the door only; actions are long, and often too long."""
    states = WORLD.start(torch.arange(2000))
    crossings = 0
    for moment in range(60):
        actions = 3 * torch.randn(2000, 2, generator=torch.Generator().manual_seed(moment))
        after = WORLD.step(states, actions)
        assert free(after).all()
        assert (after[:, :2] - states[:, :2]).norm(dim=1).max() <= 2.45 + 1e-5
        assert torch.equal(after[:, 2:], states[:, 2:])
        crossed = WORLD.room(after) != WORLD.room(states)
        assert ((states[crossed, 1] - states[crossed, 3]).abs() <= 4.5).all()
        crossings += int(crossed.sum())
        states = after
    assert crossings > 20


def test_a_wall_stops_a_dot_and_lets_it_slide():
    states = torch.tensor([[28.0, 10.0, 30.0, 40.0], [28.0, 40.0, 30.0, 40.0], [30.0, 44.0, 30.0, 40.0]])
    after = WORLD.step(states, torch.tensor([[2.0, 1.0], [2.0, 1.0], [0.0, 2.0]]))
    assert torch.equal(after[:, :2], torch.tensor([[28.5, 11.0], [30.0, 41.0], [30.0, 44.5]]))


def test_all_leading_axes_step_as_one_by_one():
    states = WORLD.start(torch.arange(24)).view(4, 3, 2, 4)
    actions = 2 * torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    alone = [WORLD.step(s, a) for s, a in zip(states.reshape(-1, 4), actions.reshape(-1, 2), strict=True)]
    assert torch.equal(WORLD.step(states, actions).reshape(-1, 4), torch.stack(alone))


def test_the_guide_reaches_every_goal_in_about_the_length_of_the_way():
    states, goals = WORLD.start(SEEDS), WORLD.goal(SEEDS)
    steps = WORLD.distance(states, goals) / 2.45
    solved = WORLD.solved(states, goals)
    for moment in range(80):
        states = WORLD.step(states, WORLD.guide(states, goals))
        solved |= WORLD.solved(states, goals)
        assert solved[steps + 4 < moment].all()
    assert solved.all()


def test_pictures_show_the_dot_and_the_walls():
    states = WORLD.start(SEEDS)
    x, y, wall, _ = states.unbind(dim=1)
    states = states[((x - wall).abs() > 6) & ((x - 31.5).abs() < 24) & ((y - 31.5).abs() < 24)]
    pictures = WORLD.render(states)
    assert pictures.shape == (len(states), 64, 64, 3)
    assert pictures.dtype == torch.uint8
    weight = (pictures[..., 0].float() - 96).clamp(min=0)
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    total = weight.sum(dim=(1, 2))
    assert ((weight * columns).sum(dim=(1, 2)) / total - states[:, 0]).abs().max() < 0.1
    assert ((weight * rows).sum(dim=(1, 2)) / total - states[:, 1]).abs().max() < 0.1
    assert torch.equal(pictures[5:7], WORLD.render(states[5:7]))


def test_the_picture_is_drawn_where_the_walls_are():
    state = torch.tensor([[10.0, 50.0, 30.0, 20.0]])
    blue = WORLD.render(state)[0, :, :, 2]
    assert (blue[:4] == 190).all()
    assert (blue[:, 60:] == 190).all()
    assert (blue[25:60, 29:32] == 190).all()
    assert (blue[16:25, 29:32] == 28).all()
    assert (blue[4:60, 28] == 28).all()
    assert (blue[4:60, 32] == 28).all()


def test_impossible_measures_are_refused():
    with pytest.raises(ValueError, match="as wide as the opening"):
        TwoRooms(opening=20)
    with pytest.raises(ValueError, match="crossing is a share"):
        TwoRooms(crossing=1.5)
