"""Frames out of clips: which one, and what else stays as it was."""

from dataclasses import replace

import pytest

from jepakit.config import Config
from jepakit.data.images import Images
from jepakit.data.scenes import SCENE_CLIP, Scenes
from jepakit.data.stills import Stills

CLIP = replace(SCENE_CLIP, sampling=replace(SCENE_CLIP.sampling, frames=4))
SCENES = Scenes(transform=CLIP, train=12, validation=2, test=3)


def test_a_random_frame_to_train_on_and_the_middle_one_to_measure_with():
    stills, clips = Stills(clips=SCENES), SCENES.build()
    training, test = stills.build(), stills.split("test")
    frames = set()
    for epoch in range(20):
        sample, clip = training.get(3, epoch, 7), clips.get(3, epoch, 7)["x"]
        same = [frame for frame in range(4) if clip[:, frame].equal(sample["x"])]
        assert len(same) == 1
        frames |= set(same)
        assert sample["x"].equal(training.get(3, epoch, 7)["x"])
    assert frames == {0, 1, 2, 3}
    whole = SCENES.split("test")
    assert test.get(1, 5, 6)["x"].equal(whole.get(1, 0, 0)["x"][:, 2])
    assert test.labels.equal(whole.labels)
    assert (len(test), test.name(1), test.classes) == (3, whole.name(1), whole.classes)
    assert training.order(1, 2).equal(clips.order(1, 2))


def test_it_is_a_config_with_the_transform_of_a_frame():
    stills = Stills(clips=SCENES)
    assert Config.from_json(stills.to_json()) == stills
    assert stills.transform == SCENES.transform.picture
    assert stills.notes() == SCENES.notes()


def test_pictures_have_no_frames():
    with pytest.raises(ValueError, match="Images gives none"):
        Stills(clips=Images(root="packaged:digits"))
