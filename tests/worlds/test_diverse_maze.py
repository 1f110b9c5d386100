"""DiverseMaze: no ball enters a wall, goals are as far as asked, and the way there can be gone."""

from dataclasses import replace

import pytest
import torch

from jepakit.contracts import World
from jepakit.worlds import mazes
from jepakit.worlds.collect import roll
from jepakit.worlds.diverse_maze import DiverseMaze
from jepakit.worlds.policies import Expert, RandomWalk, Uniform

WORLD = DiverseMaze(layouts=6)
SEEDS = torch.arange(100)


def corners_in_walls(world: DiverseMaze, states: torch.Tensor, slack: float) -> torch.Tensor:
    """Whether any corner of the body stands in a wall, told from the places alone."""
    walls = mazes.unpack(states[..., 4:], world.cells)
    found = torch.zeros(states.shape[:-1], dtype=torch.bool)
    for dx in (-1, 1):
        for dy in (-1, 1):
            column = ((states[..., 0] + dx * (world.radius - slack) - 3.5) / 7).floor().long()
            row = ((states[..., 1] + dy * (world.radius - slack) - 3.5) / 7).floor().long()
            assert ((column >= 0) & (column < 8) & (row >= 0) & (row < 8)).all()
            found |= walls.flatten(-2).gather(-1, (row * 8 + column).unsqueeze(-1)).squeeze(-1)
    return found


def test_it_is_a_world():
    assert isinstance(WORLD, World)
    assert DiverseMaze.from_json(WORLD.to_json()) == WORLD


@pytest.mark.parametrize("distance", [(5, 8), (9, 12), (13, 16)])
def test_starts_and_goals_are_as_far_apart_as_asked(distance: tuple[int, int]):
    world = replace(WORLD, distance=distance)
    starts, goals = world.start(SEEDS), world.goal(SEEDS)
    assert torch.equal(starts[30:33], world.start(SEEDS[30:33]))
    assert torch.equal(goals[30:33], world.goal(SEEDS[30:33]))
    assert torch.equal(starts[:, 4:], goals[:, 4:])
    steps = world.steps(starts, goals)
    assert distance[0] <= steps.min()
    assert steps.max() <= distance[1]
    assert not corners_in_walls(world, torch.stack([starts, goals]), slack=1e-4).any()
    assert len(starts[:, 4:].unique(dim=0)) == 6


def test_layouts_of_the_test_are_never_seen():
    train, unseen = DiverseMaze().walls(), DiverseMaze(part="unseen", layouts=20).walls()
    assert len(torch.cat([train, unseen]).flatten(1).unique(dim=0)) == 45


def test_walls_are_never_entered():
    for policy in (Uniform(hold=10), RandomWalk(turn=0.1, renew=0.03)):
        states, _ = roll(WORLD, policy, torch.arange(300), 40)
        assert not corners_in_walls(WORLD, states, slack=2e-3).any()
        assert (states[:, 0, :2] - states[:, -1, :2]).norm(dim=-1).mean() > 5
        assert states[..., 2:4].abs().max() <= 1 + 1e-5


def test_a_ball_gains_and_loses_speed_and_stops_at_a_wall():
    walls = torch.zeros(1, 8, 8, dtype=torch.bool)
    walls[0, 3, 5] = True
    state = torch.cat([torch.tensor([[28.0, 28.0, 0.5, 0.0]]), mazes.pack(walls)], dim=1)
    after = WORLD.step(state, torch.tensor([[1.0, 0.0]]))
    speed, x = 0.5, 28.0
    for _ in range(4):
        speed = 0.9 * speed + 0.1
        x += speed
    assert torch.allclose(after[0, :4], torch.tensor([x, 28.0, speed, 0.0]))
    for _ in range(5):
        after = WORLD.step(after, torch.tensor([[1.0, 0.1]]))
    assert after[0, 0] == pytest.approx(3.5 + 5 * 7 - 1.5)
    assert after[0, 2] == 0
    assert after[0, 1] > 28.5  # along the wall it goes on


def test_all_leading_axes_step_as_one_by_one():
    states = WORLD.start(torch.arange(12)).view(3, 4, 8)
    actions = 2 * torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    for _ in range(5):
        alone = [WORLD.step(s, a) for s, a in zip(states.reshape(-1, 8), actions.reshape(-1, 2), strict=True)]
        states = WORLD.step(states, actions)
        assert torch.equal(states.reshape(-1, 8), torch.stack(alone))
    goals = WORLD.goal(torch.arange(12)).view(3, 4, 8)
    alone = [WORLD.guide(s, g) for s, g in zip(states.reshape(-1, 8), goals.reshape(-1, 8), strict=True)]
    assert torch.equal(WORLD.guide(states, goals).reshape(-1, 2), torch.stack(alone))


def test_the_guide_reaches_far_goals():
    world = replace(WORLD, distance=(13, 16))
    states, goals = world.start(SEEDS), world.goal(SEEDS)
    solved = world.solved(states, goals)
    for _ in range(120):
        states = world.step(states, world.guide(states, goals))
        solved |= world.solved(states, goals)
    assert solved.all()


def test_an_expert_wanders_from_goal_to_goal():
    states, _ = roll(WORLD, Expert(noise=0.3), torch.arange(50), 40)
    assert not corners_in_walls(WORLD, states, slack=2e-3).any()
    goals = WORLD.elsewhere(states[:, 0], SEEDS[:50])
    assert not corners_in_walls(WORLD, goals, slack=1e-4).any()
    assert (WORLD.steps(states[:, 0], goals) >= 0).all()


def test_pictures_show_the_walls_and_the_ball():
    states = WORLD.start(SEEDS[:20])
    pictures = WORLD.render(states)
    walls = mazes.unpack(states[:, 4:], 8)
    assert torch.equal(pictures[:, 7:60:7, 7:60:7, 0] == 96, walls)
    assert (pictures[:, :4, :, 0] >= 96).all()
    spot = pictures[..., 0].flatten(1).argmax(dim=1)
    assert ((spot % 64) - states[:, 0]).abs().max() <= 1.01
    assert ((spot // 64) - states[:, 1]).abs().max() <= 1.01


def test_impossible_measures_are_refused():
    with pytest.raises(ValueError, match="divide into 3 cells"):
        DiverseMaze(cells=9)
    with pytest.raises(ValueError, match="half of that"):
        DiverseMaze(strength=1.0)
    with pytest.raises(ValueError, match="40 to 45 steps apart"):
        DiverseMaze(distance=(40, 45)).start(SEEDS)
