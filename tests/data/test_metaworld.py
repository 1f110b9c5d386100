"""Takes of Meta-World's experts, where the simulator is installed and can draw."""

import itertools

import numpy as np
import pytest

from jepakit.data.robot_clips import CAMERAS, HELD_OUT_CAMERA, SCENES

pytest.importorskip("metaworld", reason="metaworld is not installed; it comes with the extra metaworld")


@pytest.fixture(scope="module")
def stage():
    try:
        from jepakit.data.metaworld import MetaWorldStage

        opened = MetaWorldStage("reach")
    except (ImportError, ValueError) as error:
        pytest.skip(f"{error}")
    yield opened
    opened.close()


def test_a_take_is_a_function_of_its_seed(stage):
    first, other, again = (stage.record(seed) for seed in (0, 1, 0))
    assert first.success
    assert first.clips.shape == (3, 16, 64, 64, 3)
    assert np.array_equal(first.clips, again.clips)
    assert np.array_equal(first.objects, again.objects)
    assert not np.array_equal(first.objects, other.objects)
    assert first.clips.std() > 10


def test_cameras_stand_elsewhere_in_every_take(stage, monkeypatch):
    from jepakit.data import metaworld

    swayed = stage.record(0).clips
    monkeypatch.setattr(metaworld, "SWAY", metaworld.View(0.0, 0.0, 0.0, (0.0, 0.0, 0.0)))
    still = stage.record(0).clips
    assert all((ours != theirs).mean() > 0.2 for ours, theirs in zip(swayed, still, strict=True))


def test_goals_are_not_drawn(stage, monkeypatch):
    """Reaching and pushing begin with the same picture: only their marks, and what is done, tell them apart."""
    from jepakit.data import metaworld

    monkeypatch.setattr(metaworld, "SWAY", metaworld.View(0.0, 0.0, 0.0, (0.0, 0.0, 0.0)))
    push = metaworld.MetaWorldStage("push")
    starts = [each.record(0).clips[:, 0].astype(int) for each in (stage, push)]
    assert np.abs(starts[0] - starts[1]).max() <= 4  # the block lies half a millimeter lower
    push.close()


def test_tasks_and_cameras_are_those_that_are_asked_for(stage):
    from jepakit.data.metaworld import VIEWS, MetaWorldStage, tasks

    assert len(tasks()) == 50
    assert set(itertools.chain(*SCENES)) <= set(tasks())
    assert set(VIEWS) == {*CAMERAS, HELD_OUT_CAMERA}
    with pytest.raises(ValueError, match="no task 'juggle'"):
        MetaWorldStage("juggle")
