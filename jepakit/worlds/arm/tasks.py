"""When a task of the arm is done, read off its states. Lengths are meters."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepakit.worlds.arm.arm7 import Arm7
from jepakit.worlds.arm.scene import HEIGHTS
from jepakit.worlds.arm.simulator import LAYOUT

REACHED = 0.04
"""How near the hand, or the thing in it, has to come to its goal."""
LIFTED = 0.03
"""How far above the table a thing is that was picked up."""
PUT = 0.05
"""How near to its goal, along the table, a thing has to stand."""
_IN_HAND, _STANDING = 0.045, 0.015
_CLOSED = 0.5
"""Told to close by so much or more, the gripper holds on."""


def hand_of(states: Float[Tensor, "*s k"]) -> Float[Tensor, "*s 3"]:
    """Where the middle between the fingertips is."""
    return states[..., :3]


def thing_of(states: Float[Tensor, "*s k"]) -> Float[Tensor, "*s 3"]:
    """Where the middle of the thing is."""
    return states[..., LAYOUT.thing]


def length(vectors: Float[Tensor, "*s n"]) -> Float[Tensor, "*s"]:
    """How long vectors are: the same to the last bit, however many there are, which torch's norm does not promise."""
    return sum((part * part for part in vectors.unbind(-1)), start=torch.zeros(())).sqrt()


def is_told_to_close(states: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
    """Whether the gripper was told to close rather than to open."""
    return states[..., LAYOUT.told] > _CLOSED


def is_held(states: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
    """Whether the closed hand has the thing between its fingers."""
    away = length(hand_of(states) - thing_of(states))
    return is_told_to_close(states) & (away < _IN_HAND)


def is_solved(config: Arm7, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
    """Whether the task of `config` is done as `goals` show it.

    reach: the hand is there. grasp: the thing is in the hand, above the table. reach_with_object: it is in the hand,
    and there. pick_place: it stands there, and was let go.
    """
    rest = HEIGHTS[config.thing]
    match config.task:
        case "reach":
            return length(hand_of(states) - hand_of(goals)) < REACHED
        case "grasp":
            return is_held(states) & (thing_of(states)[..., 2] > rest + LIFTED)
        case "reach_with_object":
            return is_held(states) & (length(thing_of(states) - thing_of(goals)) < REACHED)
        case "pick_place":
            along = length((thing_of(states) - thing_of(goals))[..., :2])
            stands = thing_of(states)[..., 2] < rest + _STANDING
            return stands & (along < PUT) & ~is_told_to_close(states)
