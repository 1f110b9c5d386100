"""Pictures of scenes: labels that are equally frequent and independent, truth that fits, no thing of the test part."""

from dataclasses import replace

import pytest
import torch

from jepakit.config import Config
from jepakit.data import views
from jepakit.data.motions import MOTIONS
from jepakit.data.scene_pictures import SEEN, ScenePictures

CYCLE = len(MOTIONS) * 8 * 6
"""All motions, counts and distances once."""
SMALL = ScenePictures(scenes=replace(ScenePictures().scenes, train=2 * CYCLE, validation=72, test=72, sprites="digits"))


def test_a_picture_is_that_of_its_scene_with_the_label_that_is_asked_for():
    test, scenes = SMALL.split("test"), SMALL.scenes.split("test")
    assert len(test) == 72
    for index in (0, 50, 71):
        sample, scene = test.get(index, 0, 0), scenes.scene(index)
        assert torch.equal(sample["x"], SMALL.transform.normalize(scene.clip[0].permute(2, 0, 1)))
        assert int(sample["label"]) == scene.count - 3
    far = replace(SMALL, label="distance").split("train")
    assert int(far.labels[40]) == int((SMALL.scenes.split("train").scene(40).nearest - 2.0) / 0.25)
    assert far.classes[0] == "nearest at 2.00 to 2.25"
    assert (SMALL.split("test").classes[0], SMALL.split("test").classes[-1]) == ("3 things", "10 things")


def test_counts_and_distances_are_equally_frequent_and_meet():
    counts, distances = (replace(SMALL, label=label).split("train").labels for label in ("count", "distance"))
    pairs, times = torch.stack([counts, distances], dim=1).unique(dim=0, return_counts=True)
    assert len(pairs) == 48
    assert times.unique().tolist() == [2 * len(MOTIONS)]


def test_what_is_where_is_told_on_request_and_not_of_crops():
    known = replace(SMALL, truth=True)
    sample = known.split("validation").get(7, 0, 0)
    assert sample["mask"].shape == (64, 64)
    assert sample["mask"].unique().tolist() == list(range(len(SEEN)))
    assert "mask" not in known.split("validation", augmented=True).get(7, 0, 0)
    assert "mask" not in known.build().get(7, 0, 0)
    ground = sample["x"][:, sample["mask"] == 0]
    bar = sample["x"][:, sample["mask"] == 1]
    assert bar.std(dim=1).max() < 1e-6 < ground.std(dim=1).min()


def test_it_gives_views_and_pretrains_outside_of_the_test_part():
    data = replace(SMALL, views=views.SIMCLR.at(64, 32)).build()
    assert len(data) == 2 * CYCLE + 72
    sample = data.get(3, 0, 0)
    assert not torch.equal(sample["x"], sample["globals"][0])


def test_it_survives_json_and_refuses_what_cannot_be():
    assert Config.from_json(SMALL.to_json()) == SMALL
    with pytest.raises(ValueError, match=r"frames to 1"):
        ScenePictures(scenes=replace(SMALL.scenes, transform=replace(SMALL.scenes.transform, tubelet=2,
            sampling=replace(SMALL.scenes.transform.sampling, frames=2))))  # fmt: skip
    with pytest.raises(ValueError, match="the same size"):
        replace(SMALL, transform=replace(SMALL.transform, size=32))
