"""Motions that no single frame tells apart: two things on a lane of a world without edges, and a bar across the lane.

Whatever leaves on one side comes in on the other. The stage (where the two start, which way the lane runs, where the
bar stands) is drawn before the motion and uniformly, and every motion keeps it uniform: at every moment the two places
and the bar are independent of each other and of the motion, so the best guess from one frame is no better than chance.
Motions come in pairs that are each other played backwards, or are their own: a heap of frames without their order says
at most which pair it is.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

MOTIONS = (
    *("right", "down", "left", "up"),
    *("turn left", "turn right"),
    *("pass each other", "bounce off each other", "turn back behind the bar"),
)
RIGHT, TURN_LEFT, TURN_RIGHT, PASS, BOUNCE = 0, 4, 5, 6, 7
HEADINGS = np.array([(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)])
"""Rows and columns of a step to the right, down, left and up: each is the one before, turned to the right."""

Places = Float[np.ndarray, "m 2 2"]


@dataclass(frozen=True)
class Stage:
    """What a scene begins with, in shares of the side of a frame; a place is a row and a column.

    `along` is the axis on which the lane runs (0: down the rows), `starts` are the places of the two things, which
    share their place across the lane, and the bar covers the lane around `bar`. `signs` say which way each of them
    sets out, `heading` which way both do where they turn together, at the moment `turn` of the clip.
    """

    along: int
    starts: Float[np.ndarray, "2 2"]
    bar: float
    travel: float
    signs: Float[np.ndarray, "2"]
    heading: int
    turn: float


def draw_stage(travel: tuple[float, float], generator: Generator) -> Stage:
    """A stage on which each thing travels a length out of `travel` during the clip."""
    first, second, across, bar, share, turn = generator.random(6)
    along, *ways, heading = generator.integers(0, (2, 2, 2, 4)).tolist()
    starts = np.full((2, 2), across)
    starts[:, along] = first, second
    length = travel[0] + share * (travel[1] - travel[0])
    return Stage(along, starts, bar, length, 2.0 * np.array(ways) - 1, heading, 0.3 + 0.4 * turn)


def trace(motion: int, stage: Stage, moments: Float[np.ndarray, "m"]) -> Places:
    """The places of both things at `moments` of a clip that lasts from 0 to 1; not wrapped, so that steps can be seen.

    Turning is drawn between 0.3 and 0.7, so that it is as often early as late. A length of travel of at least 1 makes
    the two meet, and each of them pass the bar, at least once.
    """
    way = stage.travel * np.asarray(moments)
    if motion < TURN_LEFT:
        return stage.starts + (way[:, None] * HEADINGS[motion])[:, None]
    if motion <= TURN_RIGHT:
        after = HEADINGS[(stage.heading + (1 if motion == TURN_RIGHT else 3)) % 4]
        before, rest = np.minimum(way, stage.turn * stage.travel), np.maximum(way - stage.turn * stage.travel, 0)
        return stage.starts + (before[:, None] * HEADINGS[stage.heading] + rest[:, None] * after)[:, None]
    places = np.broadcast_to(stage.starts, (len(way), 2, 2)).copy()
    places[:, :, stage.along] = _along_the_lane(motion, stage, way)
    return places


def _along_the_lane(motion: int, stage: Stage, way: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m 2"]:
    """Against each other, through or back where they meet; or each back where it meets the bar."""
    first, second = stage.starts[:, stage.along]
    if motion == PASS:
        return stage.starts[:, stage.along] + stage.signs[0] * way[:, None] * np.array([1.0, -1.0])
    if motion == BOUNCE:
        # Half of what lies between them, in a world that is one long: they meet where it is 0 and where it is 1.
        gap = (first - second) % 1
        half = _there_and_back(gap + stage.signs[0] * 2 * way) / 2
        return np.stack([first - gap / 2 + half, first - gap / 2 - half], axis=1)
    beyond = (stage.starts[:, stage.along] - stage.bar) % 1
    return stage.bar + _there_and_back(beyond + stage.signs * way[:, None])


def _there_and_back(way: Float[np.ndarray, "*m"]) -> Float[np.ndarray, "*m"]:
    """A straight line folded up between 0 and 1."""
    folded = way % 2
    return np.minimum(folded, 2 - folded)
