"""What is cloned beside a world model learns from the same episodes, whole, and with as many frames."""

import pytest

from jepakit.data.trajectories import Trajectories
from jepakit.evals.goals import ARM, PUSH, TWO_ROOMS
from jepakit.recipes import arm, worlds


@pytest.mark.parametrize(
    ("cloned", "world", "steps", "tested"),
    [
        (worlds.two_rooms_bc, worlds.two_rooms, 64, TWO_ROOMS),
        (worlds.push_bc, worlds.push, 64, PUSH),
        (arm.cloning, arm.world_model, 32, ARM["reach"]),
    ],
)
def test_goals_are_as_far_ahead_as_episodes_are_long(cloned, world, steps, tested):
    copy, model = cloned(), world()
    assert isinstance(copy.data, Trajectories)
    assert isinstance(model.data, Trajectories)
    assert steps - 4 <= copy.data.moments - 1 <= steps
    assert copy.model.frames == copy.data.frames
    assert copy.model.network == model.model.network
    assert copy.model.proprio == model.model.proprio
    assert copy.batch * copy.data.frames >= 0.95 * model.batch * model.data.frames
    assert (copy.data.root, copy.data.skip, copy.data.blocks) == (model.data.root, model.data.skip, model.data.blocks)
    assert copy.data.skip == tested.planning.timing.skip
