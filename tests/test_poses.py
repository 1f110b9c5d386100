"""Arithmetic of poses against SciPy's rotations."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from jepakit import poses

AFAR = 1e-6


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Poses all over, the hand pointing anywhere."""
    found = torch.rand(*shape, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found[..., :3] -= 0.5
    found[..., 3:6] = (2 * found[..., 3:6] - 1) * torch.tensor([math.pi, math.pi / 2, math.pi])
    return found


def test_angles_are_those_of_scipy():
    angles = draw(500)[:, 3:6]
    ours = poses.rotation_of(angles)
    theirs = Rotation.from_euler("xyz", angles.numpy()).as_matrix()
    assert torch.allclose(ours, torch.from_numpy(theirs), atol=AFAR)
    assert torch.allclose(
        poses.angles_of(ours), torch.from_numpy(Rotation.from_matrix(theirs).as_euler("xyz")), atol=AFAR
    )


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_difference_is_what_scipy_says_and_move_undoes_it(kind):
    before, after = draw(20, 20, seed=1).to(kind), draw(20, 20, seed=2).to(kind)
    found = poses.difference(before, after)
    old, new = (Rotation.from_euler("xyz", each[..., 3:6].double().flatten(0, 1).numpy()) for each in (before, after))
    wanted = torch.from_numpy((new * old.inv()).as_matrix())
    assert torch.allclose(poses.rotation_of(found[..., 3:6]).flatten(0, 1).double(), wanted, atol=AFAR)
    moved = poses.move(before, found)
    assert moved.dtype == kind
    assert torch.allclose(moved[..., :3], after[..., :3], atol=AFAR)
    assert torch.allclose(moved[..., 6], after[..., 6], atol=AFAR)
    assert float(poses.angle_between(moved[..., 3:6], after[..., 3:6]).max()) < 1e-5


@pytest.mark.parametrize("pitch", [math.pi / 2, -math.pi / 2])
def test_straight_up_and_down_the_rotation_is_kept(pitch):
    angles = torch.tensor([[0.3, pitch, 0.8], [-2.0, pitch, 1.0]], dtype=torch.float64)
    rotation = poses.rotation_of(angles)
    found = poses.angles_of(rotation)
    assert found[:, 2].tolist() == [0.0, 0.0]
    assert torch.allclose(poses.rotation_of(found), rotation, atol=AFAR)


def test_the_angle_between_orientations_is_scipys():
    first, second = draw(100, seed=3)[:, 3:6], draw(100, seed=4)[:, 3:6]
    theirs = (Rotation.from_euler("xyz", second.numpy()) * Rotation.from_euler("xyz", first.numpy()).inv()).magnitude()
    assert torch.allclose(poses.angle_between(first, second), torch.from_numpy(theirs), atol=AFAR)


def test_the_gripper_stays_between_open_and_closed():
    pose, action = torch.zeros(2, 7), torch.zeros(2, 7)
    action[:, 6] = torch.tensor([0.75, -0.75])
    pose[:, 6] = 0.5
    assert poses.move(pose, action)[:, 6].tolist() == [1.0, 0.0]
