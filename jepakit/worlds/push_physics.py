"""The physics of `Push` by pymunk: a heavy disc, a block that rests when nobody pushes it, and a board with edges."""

import importlib
import math
from typing import Any

import numpy as np
from jaxtyping import Float64

SIDE = 512.0
DISC = 15.0
"""The radius of the disc."""
_MIDDLE = 40 + 5 / 7
"""How far below the upper edge of the T its center of mass is."""
BAR = (-60.0, -_MIDDLE, 60.0, 30 - _MIDDLE)
STEM = (-15.0, 30 - _MIDDLE, 15.0, 120 - _MIDDLE)
"""The two bars of the T: left, top, right, bottom from its center of mass, as large as those of Push-T."""
_MOMENTS = 10
_TICK = 1 / 60
"""Seconds of a moment; pymunk resolves contacts best at about this pace."""
_DISC_MASS, _BLOCK_MASS = 20.0, 1.0
"""A disc so heavy hardly feels the block, but an edge stops both: a body moved by force would be pressed into them."""
_FRICTION = 0.5
_EDGE = 20.0
"""The thickness of the edge of the board, so that nothing gets through it between two moments."""


class Physics:
    """One step for each of many boards. Raises ImportError, with what to install, without pymunk."""

    def __init__(self) -> None:
        self.pymunk = load_pymunk()
        shares = ((BAR, 3600 / 6300), (STEM, 2700 / 6300))
        self.moment = sum(self.pymunk.moment_for_poly(_BLOCK_MASS * share, _corners(bar)) for bar, share in shares)

    def step(self, states: Float64[np.ndarray, "n 5"], moves: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 5"]:
        """The boards after each disc tried to go its way."""
        after = [self._step(*state, *move) for state, move in zip(states.tolist(), moves.tolist(), strict=True)]
        return np.array(after, dtype=np.float64).reshape(len(states), 5)

    def _step(
        self, disc_x: float, disc_y: float, x: float, y: float, angle: float, move_x: float, move_y: float
    ) -> tuple[float, float, float, float, float]:
        """A new space each time: contacts that pymunk remembers would make a step depend on those before it.

        Total damping takes all speed at each moment, and a force gives the disc the one it should have. In pymunk's
        order bodies move first and are pushed afterwards, so a last moment without a force lets the last push be seen.
        """
        space, disc, block = self._board(disc_x, disc_y, x, y, angle)
        strength = _DISC_MASS / (_MOMENTS * _TICK**2)
        for _ in range(_MOMENTS):
            disc.force = (strength * move_x, strength * move_y)
            space.step(_TICK)
        space.step(_TICK)
        turned = (block.angle + math.pi) % (2 * math.pi) - math.pi
        return *disc.position, *block.position, turned

    def _board(self, disc_x: float, disc_y: float, x: float, y: float, angle: float) -> tuple[Any, Any, Any]:
        pymunk = self.pymunk
        space = pymunk.Space()
        space.damping = 0.0
        low, high = -_EDGE, SIDE + _EDGE
        corners = [(low, low), (high, low), (high, high), (low, high)]
        edges = [
            pymunk.Segment(space.static_body, *ends, _EDGE)
            for ends in zip(corners, corners[1:] + corners[:1], strict=True)
        ]
        disc, block = pymunk.Body(_DISC_MASS, float("inf")), pymunk.Body(_BLOCK_MASS, self.moment)
        disc.position, block.position, block.angle = (disc_x, disc_y), (x, y), angle
        bars = [pymunk.Poly(block, _corners(bar)) for bar in (BAR, STEM)]
        shapes = [*edges, pymunk.Circle(disc, DISC), *bars]
        for shape in shapes:
            shape.friction = _FRICTION
        space.add(disc, block, *shapes)
        return space, disc, block


def load_pymunk() -> Any:
    """The package. Raises ImportError, with what to install, where it is missing."""
    try:
        return importlib.import_module("pymunk")
    except ImportError as error:
        raise ImportError(f"pushing is simulated by pymunk: pip install 'jepakit[worlds]' ({error})") from None


def _corners(bar: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    left, top, right, bottom = bar
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
