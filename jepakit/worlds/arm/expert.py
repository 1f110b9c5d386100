"""A script that does the tasks of the arm, for goals to be shown and data to be collected.

It keeps nothing: what is to be done next is read off the state, so it goes on from wherever noise has led.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepakit.worlds.arm.arm7 import Arm7
from jepakit.worlds.arm.scene import HEIGHTS
from jepakit.worlds.arm.tasks import hand_of, is_held, is_told_to_close, length, thing_of

Errand = Literal["reach", "carry", "put"]
"""Move the hand to a place; take the thing to a place; put it down there and go away."""
_ABOVE, _OVER, _DOWN, _PLACED = 0.09, 0.02, 0.012, 0.03
_CLEAR = 0.07
"""A thing that is carried is lifted so far before it moves to the side."""
_SPEED = 0.8
"""Of what is left to go, so much is gone in a step: the arm follows with a lag."""


def choose_actions(
    config: Arm7, errand: Errand, states: Float[Tensor, "*s k"], places: Float[Tensor, "*s 3"]
) -> Float[Tensor, "*s 7"]:
    """The next action of an errand to `places`: of the hand for "reach", else of the thing."""
    if errand == "reach":
        moves = places - hand_of(states)
        return _act(config, states, moves, torch.where(is_told_to_close(states), -1.0, 0.0))
    fetch_moves, fetch_grip = _fetch(config, states)
    take_moves, take_grip = _take(config, states, places) if errand == "carry" else _put(config, states, places)
    held = is_held(states)
    moves = torch.where(held[..., None], take_moves, fetch_moves)
    grip = torch.where(held, take_grip, fetch_grip)
    if errand == "put":
        done = is_placed(config, states, places) & ~held
        away = torch.zeros_like(moves)
        away[..., 2] = (HEIGHTS[config.thing] + 2 * _ABOVE - hand_of(states)[..., 2]).clamp(min=0.0)
        moves = torch.where(done[..., None], away, moves)
        grip = torch.where(done, torch.where(is_told_to_close(states), -1.0, 0.0), grip)
    return _act(config, states, moves, grip)


def is_placed(config: Arm7, states: Float[Tensor, "*s k"], places: Float[Tensor, "*s 3"]) -> Bool[Tensor, "*s"]:
    """Whether the thing stands near its place."""
    off = thing_of(states) - places
    return (length(off[..., :2]) < _PLACED) & (thing_of(states)[..., 2] < HEIGHTS[config.thing] + _DOWN)


def _fetch(config: Arm7, states: Float[Tensor, "*s k"]) -> tuple[Float[Tensor, "*s 3"], Float[Tensor, "*s"]]:
    """Over the thing with an open hand, down to it, and closed around it."""
    hand, to_thing = hand_of(states), thing_of(states) - hand_of(states)
    high = thing_of(states)[..., 2] + _ABOVE
    closed = is_told_to_close(states)
    over = length(to_thing[..., :2]) < _OVER
    low = -to_thing[..., 2] < _DOWN
    moves = to_thing.clone()
    rises = high - hand[..., 2]
    moves[..., 2] = torch.where(over & ~closed, to_thing[..., 2], rises)
    # A hand that is too low goes up before it goes to the side, or it would push the thing over.
    aside = (over & ~closed) | (rises < _ABOVE / 2)
    moves[..., :2] = moves[..., :2] * aside[..., None]
    grip = torch.where(closed, -1.0, torch.where(over & low, 1.0, 0.0))
    return moves, grip


def _take(
    config: Arm7, states: Float[Tensor, "*s k"], places: Float[Tensor, "*s 3"]
) -> tuple[Float[Tensor, "*s 3"], Float[Tensor, "*s"]]:
    """To the place with the thing: up first, then to the side."""
    moves = places - thing_of(states)
    missing = HEIGHTS[config.thing] + _CLEAR - thing_of(states)[..., 2]
    aside = length(moves[..., :2]) > _OVER
    up = aside & (missing > 0)
    moves[..., 2] = torch.where(up, missing.clamp(min=0.02), moves[..., 2])
    moves[..., :2] = moves[..., :2] * (~(up & (missing > _CLEAR / 2)))[..., None]
    return moves, torch.zeros_like(missing)


def _put(
    config: Arm7, states: Float[Tensor, "*s k"], places: Float[Tensor, "*s 3"]
) -> tuple[Float[Tensor, "*s 3"], Float[Tensor, "*s"]]:
    """Above the place, down, and let go."""
    near = length((places - thing_of(states))[..., :2]) < _OVER
    rest = HEIGHTS[config.thing]
    above = places.clone()
    above[..., 2] = torch.where(near, rest - 0.005, rest + _CLEAR + 0.01)
    moves, _ = _take(config, states, above)
    down = near & (thing_of(states)[..., 2] < rest + _DOWN)
    return moves, torch.where(down, -1.0, 0.0)


def _act(
    config: Arm7, states: Float[Tensor, "*s k"], moves: Float[Tensor, "*s 3"], grip: Float[Tensor, "*s"]
) -> Float[Tensor, "*s 7"]:
    """An action within its box, that moves straight and turns the hand back to pointing down."""
    moves = moves * _SPEED
    longest = moves.abs().amax(dim=-1, keepdim=True) / config.longest_move
    turns = (-states[..., 3:6]).clamp(-config.longest_turn, config.longest_turn)
    return torch.cat([moves / longest.clamp(min=1.0), turns, grip[..., None]], dim=-1)
