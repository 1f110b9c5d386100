"""The truth of a scene's pixels: told by the scene, and cut as its frames are."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from jepakit.config import Config
from jepakit.data.painting import BAR, BAR_DISTANCE, FIRST_THING, GROUND_DISTANCE
from jepakit.data.scene_truth import KINDS
from jepakit.data.scenes import SCENE_CLIP, Scenes
from jepakit.data.transforms import ImageTransform, RandomResizedCrop

CLIP = replace(SCENE_CLIP, sampling=replace(SCENE_CLIP.sampling, frames=4), picture=ImageTransform(size=32))
SMALL = Scenes(sprites="digits", train=60, validation=10, test=10, transform=CLIP, truth=True)


def test_every_pixel_is_what_the_scene_says():
    dataset, seen = SMALL.split("train"), set()
    for index in range(20):
        sample, scene = dataset.get(index, 0, 0), dataset.scene(index)
        assert (sample["mask"].dtype, sample["depth"].dtype) == (torch.int64, torch.float32)
        names = np.array(["ground", "bar", "moving thing", "moving thing", *["still thing"] * 9])
        assert np.array_equal(np.array(KINDS)[sample["mask"].numpy()], names[scene.instances.numpy()])
        assert torch.equal(sample["depth"], scene.depth)
        seen |= set(sample["mask"].unique().tolist())
    assert seen == {0, 1, 2, 3}


def test_what_is_called_moving_moves_and_what_is_called_still_does_not():
    dataset = SMALL.split("train")
    for index in range(20):
        scene, mask = dataset.scene(index), dataset.get(index, 0, 0)["mask"]
        for kind, moves in (("moving thing", True), ("still thing", False)):
            for instance in scene.instances[mask == KINDS.index(kind)].unique().tolist():
                assert bool((scene.velocities[:, instance - FIRST_THING] != 0).any()) == moves


def test_the_truth_is_cut_as_the_frames_are():
    """The bar has one color, which no other pixel has but by accident: inside of it the frames show that color."""
    config = replace(SMALL, augment=RandomResizedCrop(scale=(0.3, 0.6)))
    dataset, plain = config.split("train", augmented=True), SMALL.split("train")
    moved, shown = 0, []
    for index in range(30):
        sample, plan = dataset.get(index, 2, 5), dataset.plan(index)
        assert sample["mask"].shape == sample["depth"].shape == sample["x"].shape[1:]
        moved += not torch.equal(sample["mask"], plain.get(index, 0, 0)["mask"])
        color = CLIP.picture.normalize(torch.from_numpy(plan.bar_color)[:, None, None])
        is_bar = sample["mask"] == BAR
        assert (sample["depth"][is_bar] == BAR_DISTANCE).all()
        assert (sample["depth"][sample["mask"] == 0] == GROUND_DISTANCE).all()
        shown.append((sample["x"] - color[:, None]).abs().amax(dim=0)[is_bar])
    assert moved == 30
    assert (torch.cat(shown) < 0.1).float().mean() > 0.8, "all but the blended edges of the bar"


def test_without_it_samples_are_what_they_were():
    plain = replace(SMALL, truth=False).split("train").get(3, 0, 0)
    assert plain.keys() == {"x", "label"}
    assert torch.equal(plain["x"], SMALL.split("train").get(3, 0, 0)["x"])


def test_scenes_of_older_runs_are_read():
    assert Config.from_json(json.loads(json.dumps(SMALL.to_json()))) == SMALL
    older = replace(SMALL, truth=False).to_json()
    del older["truth"]
    assert Config.from_json(older) == replace(SMALL, truth=False)


def test_frames_that_are_cut_have_no_truth():
    picture = ImageTransform(size=32, resize="shorter_side", crop_share=0.875)
    with pytest.raises(ValueError, match=r"set transform\.picture\.crop_share to 1"):
        replace(SMALL, transform=replace(CLIP, picture=picture))
