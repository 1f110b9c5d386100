"""Motions differ, their single frames do not: the places of a moment have one distribution, whatever the motion."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from jepakit.data.motions import BOUNCE, HEADINGS, MOTIONS, PASS, TURN_LEFT, TURN_RIGHT, draw_stage, trace

HIDE = len(MOTIONS) - 1
ALL = range(len(MOTIONS))
MOMENTS = np.linspace(0, 1, 101)


def stages(count, seed=0):
    generator = np.random.default_rng(seed)
    return [draw_stage((1.0, 1.2), generator) for _ in range(count)]


@pytest.mark.parametrize("motion", ALL, ids=MOTIONS)
def test_a_frame_says_nothing_of_the_motion(motion):
    """Places along the lane, across it and of the bar are uniform and independent, at the start, the middle, the end.

    Independent and uniform on a circle means that differences are uniform too. Kolmogorov-Smirnov, seven tests each.
    """
    drawn = stages(500, seed=motion)
    places = np.stack([trace(motion, stage, np.array([0.0, 0.5, 1.0])) for stage in drawn])
    along = np.array([stage.along for stage in drawn])
    bars = np.array([stage.bar for stage in drawn])
    for moment in range(3):
        now = places[:, moment]
        first, second = np.take_along_axis(now, along[:, None, None], axis=2)[:, :, 0].T
        across = np.take_along_axis(now, 1 - along[:, None, None], axis=2)[:, :, 0]
        np.testing.assert_allclose(across[:, 0], across[:, 1])
        whole = (first, second, across[:, 0], first - second, first - bars, second - bars, first + second - bars)
        for values in whole:
            assert stats.kstest(values % 1, "uniform").pvalue > 1e-4, moment


@pytest.mark.parametrize("motion", ALL, ids=MOTIONS)
def test_a_motion_backwards_is_its_mirror_or_itself(motion):
    """So that frames in no order say at most which pair of motions it is."""
    mirror = {0: 2, 1: 3, 2: 0, 3: 1, TURN_LEFT: TURN_RIGHT, TURN_RIGHT: TURN_LEFT}.get(motion, motion)
    for stage in stages(20):
        forwards = trace(motion, stage, MOMENTS)
        turned = (stage.heading + (3 if motion == TURN_LEFT else 1)) % 4
        candidates = [
            replace(
                stage, starts=forwards[-1] % 1, signs=np.array(signs), heading=(turned + 2) % 4, turn=1 - stage.turn
            )
            for signs in ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))
        ]
        gaps = [np.abs(circular(trace(mirror, other, MOMENTS) - forwards[::-1])).max() for other in candidates]
        assert min(gaps) < 1e-9


def circular(difference):
    """The shortest way around a world that is one long."""
    return (difference + 0.5) % 1 - 0.5


@pytest.mark.parametrize("motion", ALL, ids=MOTIONS)
def test_things_travel_steadily_as_far_as_the_stage_says(motion):
    for stage in stages(20):
        steps = np.abs(np.diff(trace(motion, stage, MOMENTS), axis=0)).sum(axis=2)
        at_turns = np.isclose(steps, stage.travel / 100)
        assert at_turns.mean() > 0.95
        assert (steps < 1.01 * stage.travel / 100).all()


def test_headings_are_what_their_names_say():
    stage = stages(1)[0]
    for motion, step in ((0, (0, 1)), (1, (1, 0)), (2, (0, -1)), (3, (-1, 0))):
        moved = np.diff(trace(motion, stage, np.array([0.0, 1.0])), axis=0)[0]
        np.testing.assert_allclose(moved, np.array([step, step]) * stage.travel)
    for motion, after in ((TURN_LEFT, 3), (TURN_RIGHT, 1)):
        places = trace(motion, replace(stage, heading=0, turn=0.5), np.array([0.0, 0.5, 1.0]))
        moved = np.diff(places, axis=0)[:, 0] / stage.travel * 2
        np.testing.assert_allclose(moved, [HEADINGS[0], HEADINGS[after]], atol=1e-12)


def test_things_that_pass_or_bounce_meet_and_those_that_turn_back_reach_the_bar():
    for stage in stages(50):
        lane = trace(PASS, stage, MOMENTS)[:, :, stage.along]
        assert np.abs(circular(lane[:, 0] - lane[:, 1])).min() < 0.02
        bounced = trace(BOUNCE, stage, MOMENTS)[:, :, stage.along]
        assert np.abs(circular(bounced[:, 0] - bounced[:, 1])).min() < 0.02
        turned = trace(HIDE, stage, MOMENTS)[:, :, stage.along]
        reached = np.abs(circular(turned - stage.bar)).min(axis=0)
        assert (reached < 0.02).all()


def test_things_that_bounce_are_where_things_that_pass_are_only_who_is_where_differs():
    for stage in stages(50):
        passed, bounced = (
            np.exp(2j * np.pi * trace(motion, stage, MOMENTS)[:, :, stage.along]) for motion in (PASS, BOUNCE)
        )
        np.testing.assert_allclose(passed.sum(axis=1), bounced.sum(axis=1), atol=1e-9)
        np.testing.assert_allclose(passed.prod(axis=1), bounced.prod(axis=1), atol=1e-9)
        assert not np.allclose(passed, bounced)
