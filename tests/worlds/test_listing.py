"""Worlds by their names."""

import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import World
from jepakit.worlds.listing import WORLDS

FLAT = [name for name in WORLDS if name != "arm7"]


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_travels_as_json(name: str):
    assert Config.from_json(WORLDS[name].to_json()) == WORLDS[name]


@pytest.mark.parametrize("name", FLAT)
def test_what_a_world_gives_fits_together(name: str):
    """The laws of the contract, for all that need no canvas; the arm has its own tests."""
    if name == "push":
        pytest.importorskip("pymunk", reason="pushing needs pymunk")
    world = WORLDS[name].build()
    assert isinstance(world, World)
    seeds = torch.arange(3)
    start, goal = world.start(seeds), world.goal(seeds)
    assert start.shape == goal.shape
    assert start.dtype == goal.dtype == torch.float32
    actions = 100 * torch.randn(3, len(world.low), generator=torch.Generator().manual_seed(0))
    after, before = world.step(start, actions), start.clone()
    assert torch.equal(start, before)  # nothing is changed in place
    assert torch.equal(world.step(start, actions), after)
    box = actions.clamp(world.low, world.high)
    assert torch.allclose(world.step(start, box), after, atol=1e-4)  # what is too much is cut
    assert world.render(after).shape == (3, 64, 64, 3)
    assert world.proprio(after).shape[:-1] == world.solved(after, goal).shape == (3,)
    assert world.solved(goal, goal).all()
