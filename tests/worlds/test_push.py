"""Push: physics that remember nothing, and goals that can be reached."""

import math

import pytest
import torch

from jepakit.contracts import World
from jepakit.worlds.collect import roll
from jepakit.worlds.policies import Expert, RandomWalk
from jepakit.worlds.push import Push

pytest.importorskip("pymunk", reason="pushing needs pymunk")
WORLD = Push().build()
SEEDS = torch.arange(16)


def outside(states: torch.Tensor) -> torch.Tensor:
    """How far the disc's edge is from the block: less than 0 where they overlap. Told from the shapes alone."""
    away, angle = states[..., :2] - states[..., 2:4], states[..., 4]
    x = away[..., 0] * angle.cos() + away[..., 1] * angle.sin()
    y = away[..., 1] * angle.cos() - away[..., 0] * angle.sin() + 285 / 7
    gaps = []
    for left, top, right, bottom in ((-60, 0, 60, 30), (-15, 30, 15, 120)):
        gap_x = torch.maximum(left - x, x - right)
        gap_y = torch.maximum(top - y, y - bottom)
        near = torch.maximum(gap_x, gap_y).clamp(max=0)
        gaps.append(torch.hypot(gap_x.clamp(min=0), gap_y.clamp(min=0)) + near)
    return torch.stack(gaps).amin(dim=0) - 15


def test_it_is_a_world():
    assert isinstance(WORLD, World)
    assert Push.from_json(Push(offset=15).to_json()) == Push(offset=15)


def test_a_step_depends_on_nothing_but_state_and_action():
    """In any order, beside anything, and again."""
    states, actions = roll(WORLD, Expert(noise=0.3), SEEDS, 20)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(WORLD.step(states[order, 10:15], actions[order, 10:15]), states[order, 11:16])
    assert torch.equal(WORLD.step(states[3, 12], actions[3, 12]), states[3, 13])


def test_starts_and_goals_are_functions_of_the_seed():
    starts, goals = WORLD.start(SEEDS), WORLD.goal(SEEDS)
    assert torch.equal(goals[5:8], WORLD.goal(SEEDS[5:8]))
    assert (outside(starts) > 0).all()
    moved = (goals - starts)[:, 2:4].norm(dim=-1)
    assert (moved > 20).float().mean() > 0.8
    assert not WORLD.solved(starts, goals).any()
    assert WORLD.solved(goals, goals).all()


def test_a_goal_can_be_reached_by_what_reached_it():
    actions = roll(WORLD, Expert(noise=0.3), SEEDS, 25)[1]
    states = WORLD.start(SEEDS)
    for action in actions.unbind(dim=1):
        states = WORLD.step(states, action)
    assert WORLD.solved(states, WORLD.goal(SEEDS)).all()


def test_bodies_neither_overlap_nor_leave_the_board():
    """A contact may be pressed in by a little. Walks go to the edges, where blocks are jammed."""
    for policy in (Expert(noise=0.3), RandomWalk(turn=0.2, renew=0.02)):
        states, _ = roll(WORLD, policy, SEEDS[:8], 80)
        assert outside(states).min() > -3
        assert states[..., :4].min() > 10
        assert states[..., :4].max() < 502


def test_a_disc_alone_goes_where_it_is_sent_and_a_push_moves_the_block():
    state = torch.tensor([100.0, 100.0, 300.0, 300.0, 0.0])
    after = WORLD.step(state, torch.tensor([12.0, -16.0]))
    assert torch.allclose(after, torch.tensor([112.0, 84.0, 300.0, 300.0, 0.0]), atol=1e-3)
    state = torch.tensor([300.0, 240.0, 300.0, 300.0, 0.0])
    for _ in range(5):
        state = WORLD.step(state, torch.tensor([0.0, 20.0]))
    assert state[3] > 360
    assert state[2] == pytest.approx(300, abs=1)
    rest = WORLD.step(state, torch.zeros(2))
    assert torch.allclose(rest, state, atol=1e-2)


def test_solved_needs_disc_block_and_angle():
    goal = torch.tensor([100.0, 100.0, 300.0, 300.0, math.pi - 0.1])
    away = torch.tensor([
        [15.0, 0.0, 0.0, 12.0, 0.0],  # together less than 20
        [15.0, 0.0, 0.0, 15.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.3 - 2 * math.pi],
        [0.0, 0.0, 0.0, 0.0, 0.4],
    ])  # fmt: skip
    assert WORLD.solved(goal + away, goal.expand(4, -1)).tolist() == [True, False, True, False]


def test_pictures_show_block_and_disc():
    states = roll(WORLD, Expert(), SEEDS, 20)[0][:, -1]
    pictures = WORLD.render(states).float()
    ground = torch.tensor([16.0, 18.0, 28.0])
    covered = (pictures - ground).abs().sum(dim=-1)
    area = (covered > 180).sum(dim=(1, 2)) * 64.0  # a pixel is 8 by 8
    assert ((area - 6300 - math.pi * 15**2).abs() < 700).all()
    disc = (pictures[..., 0] > 150).flatten(1).float()
    places = torch.stack(torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")[::-1]).flatten(1)
    middle = disc @ places.T / disc.sum(dim=1, keepdim=True)
    assert ((middle + 0.5) * 8 - states[:, :2]).abs().max() < 4


def test_impossible_measures_are_refused():
    with pytest.raises(ValueError, match="offset is a step"):
        Push(offset=0)
    with pytest.raises(ValueError, match=r"at most 30\.0 long"):
        Push(longest=50.0)
