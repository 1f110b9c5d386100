"""Arithmetic of poses of a hand, for whole batches at once: where a robot was, where it is, and what led there.

A pose is [x y z roll pitch yaw grip]: a place in meters, angles in radians about the fixed axes x, then y, then z (so
the rotation is Rz(yaw) Ry(pitch) Rx(roll), SciPy's "xyz"), and how far the gripper is closed, from 0 to 1. The
conventions are those of V-JEPA 2-AC (2506.09985, section 3 and its released code), which took them from DROID.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

POSE = 7
"""Numbers of a pose, and of the difference of two."""
_LOCKED = 1e-6
"""How near to straight up or down a hand points where roll and yaw turn about the same axis."""


def rotation_of(angles: Float[Tensor, "*s 3"]) -> Float[Tensor, "*s 3 3"]:
    """The matrix Rz(yaw) Ry(pitch) Rx(roll)."""
    (sx, sy, sz), (cx, cy, cz) = angles.sin().unbind(-1), angles.cos().unbind(-1)
    rows = (
        *(cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        *(sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        *(-sy, cy * sx, cy * cx),
    )
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def angles_of(rotation: Float[Tensor, "*s 3 3"]) -> Float[Tensor, "*s 3"]:
    """Roll, pitch and yaw of a rotation: pitch in [-pi/2, pi/2]; where it is +-pi/2, only the sum of the other two is
    known, and yaw is zero."""
    level = torch.hypot(rotation[..., 0, 0], rotation[..., 1, 0])
    pitch = torch.atan2(-rotation[..., 2, 0], level)
    roll = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    yaw = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
    locked = level < _LOCKED
    roll = torch.where(locked, torch.atan2(-rotation[..., 1, 2], rotation[..., 1, 1]), roll)
    return torch.stack([roll, pitch, yaw.masked_fill(locked, 0.0)], dim=-1)


def turn(angles: Float[Tensor, "*s 3"], by: Float[Tensor, "*s 3"]) -> Float[Tensor, "*s 3"]:
    """The angles after turning `by` so much about the fixed axes: those of R(by) R(angles)."""
    second, first = rotation_of(torch.stack([by, angles]))  # for a few hundred, each call costs more than its numbers
    return angles_of(second @ first)


def move(poses: Float[Tensor, "*s 7"], actions: Float[Tensor, "*s 7"]) -> Float[Tensor, "*s 7"]:
    """The pose after an action, which is a difference of poses; the gripper stays between open and closed."""
    place = poses[..., :3] + actions[..., :3]
    grip = (poses[..., 6:] + actions[..., 6:]).clamp(0.0, 1.0)
    return torch.cat([place, turn(poses[..., 3:6], actions[..., 3:6]), grip], dim=-1)


def difference(before: Float[Tensor, "*s 7"], after: Float[Tensor, "*s 7"]) -> Float[Tensor, "*s 7"]:
    """The action that leads from one pose to another: what `move` undoes."""
    second, first = rotation_of(torch.stack([after[..., 3:6], before[..., 3:6]]))
    turned = second @ first.mT
    shift = after[..., :3] - before[..., :3]
    return torch.cat([shift, angles_of(turned), after[..., 6:] - before[..., 6:]], dim=-1)


def angle_between(first: Float[Tensor, "*s 3"], second: Float[Tensor, "*s 3"]) -> Float[Tensor, "*s"]:
    """How far apart two orientations are: the one angle, in [0, pi], that turns the first into the second."""
    turned = rotation_of(second) @ rotation_of(first).mT
    chord = torch.linalg.matrix_norm(turned - torch.eye(3, dtype=turned.dtype, device=turned.device))
    return 2 * torch.asin((chord / (2 * math.sqrt(2))).clamp(max=1.0))
