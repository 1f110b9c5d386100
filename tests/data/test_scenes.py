"""Scenes: drawn the same whenever asked for, true to their plan, and telling their motion only as they move."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.data.motions import MOTIONS
from jepakit.data.painting import BAR, BAR_DISTANCE, FIRST_THING, GROUND, GROUND_DISTANCE, paint, shrink
from jepakit.data.scenes import FAR, NEAR, SCENE_CLIP, Scenes
from jepakit.data.sprites import open_sprites
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.family.vjepa import TINY
from jepakit.pretrained import load
from jepakit.probes.splits import Splits
from jepakit.train.fit import fit
from jepakit.train.run import Run
from jepakit.train.watch import Watch


def clip(size, frames):
    sampling = replace(SCENE_CLIP.sampling, frames=frames)
    return replace(SCENE_CLIP, sampling=sampling, picture=ImageTransform(size=size))


SMALL = Scenes(sprites="digits", train=900, validation=90, test=450, transform=clip(32, 8))


def test_a_scene_depends_on_its_seed_part_and_number_alone():
    first, again = SMALL.split("train"), SMALL.split("train")
    for index in (7, 3):
        one = first.get(index, 0, 0)
        assert torch.equal(one["x"], again.get(index, 5, 9)["x"])
        assert one["x"].shape == (3, 8, 32, 32)
        assert one["x"].dtype == torch.float32
    frames = {}
    for config, part, index in (
        (SMALL, "train", 3),
        (SMALL, "test", 3),
        (SMALL, "train", 12),
        (replace(SMALL, seed=1), "train", 3),
    ):
        frames[config.seed, part, index] = config.split(part).scene(index).clip
    pictures = [pixels.numpy().tobytes() for pixels in frames.values()]
    assert len(set(pictures)) == 4


def test_it_is_a_dataset_that_probes_can_split():
    splits = Splits.of(SMALL)
    assert isinstance(splits.train, Dataset)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (900, 90, 450)
    assert splits.train.classes == MOTIONS
    order = splits.train.order(1, 2)
    assert sorted(order.tolist()) == list(range(900))
    assert torch.equal(order, SMALL.build().order(1, 2))
    assert not torch.equal(order, splits.train.order(2, 2))
    assert splits.test.name(4) == "test scene 4"
    assert splits.test.get(4, 0, 0)["label"] == splits.test.labels[4] == 4


def test_the_config_survives_json():
    config = replace(SMALL, augment=RandomResizedCrop(), ground="plain", label="count")
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(("label", "classes"), [("motion", 9), ("count", 4), ("distance", 6)])
def test_classes_are_equally_frequent_and_true(label, classes):
    dataset = replace(SMALL, label=label, train=9 * 4 * 6).split("train")
    assert torch.equal(torch.bincount(dataset.labels), torch.full((classes,), 9 * 4 * 6 // classes))
    assert len(dataset.classes) == classes
    for index in range(0, 216, 5):
        scene, said = dataset.scene(index), int(dataset.labels[index])
        low = NEAR + said * 0.25
        truth = {
            "motion": scene.motion == said,
            "count": scene.count == 2 + said,
            "distance": low <= scene.nearest < low + 0.25,
        }
        assert truth[label]
        assert scene.distances.max() <= FAR


def test_no_thing_of_the_test_part_is_seen_in_training():
    rows = {part: set(open_sprites("digits").rows(part)) for part in ("train", "validation", "test")}
    assert not rows["train"] & rows["test"]
    assert not rows["train"] & rows["validation"]
    for part, known in rows.items():
        dataset = SMALL.split(part)
        for index in range(30):
            sprites = dataset.scene(index).sprites.tolist()
            assert set(sprites) <= known
            assert len(set(sprites)) == len(sprites)
    name, kind = SMALL.split("test").thing(sprites[0])
    assert (name.startswith("digit "), len(kind)) == (True, 1)


def paint_slowly(plan, pictures):
    """Pixel by pixel, from far to near."""
    size = len(plan.ground)
    painted = np.zeros((len(plan.places) - 1, size, size, 4), dtype=np.uint8)
    painted[..., :3] = plan.ground
    for frame, canvas in enumerate(painted):
        for thing in sorted(range(len(plan.distances)), key=lambda thing: -plan.distances[thing]):
            side = round(0.6 * size / plan.distances[thing])
            patch = shrink(pictures[plan.sprites[thing]], side).astype(int)
            top, left = (round(center - side / 2) for center in plan.places[frame, thing])
            for row in range(side):
                for column in range(side):
                    cell, ink = canvas[(top + row) % size, (left + column) % size], patch[row, column]
                    cell[:3] = cell[:3].astype(int) * (255 - ink[3]) // 255 + ink[:3]
                    cell[3] = thing + 2 if ink[3] >= 128 else cell[3]
        for step in range(round(0.2 * size)):
            line = (round(plan.bar - round(0.2 * size) / 2) + step) % size
            canvas[(slice(None), line) if plan.along else line] = [*plan.bar_color, 1]
    return painted


@pytest.mark.parametrize("index", [0, 4, 8, 215])
def test_frames_are_those_of_a_painter_who_is_slow(index):
    dataset, pictures = SMALL.split("train"), open_sprites("digits").pictures
    plan = dataset.plan(index)
    assert np.array_equal(paint(plan, pictures), paint_slowly(plan, pictures))


def test_the_truth_is_what_the_frames_show():
    dataset = Scenes(sprites="digits", train=500, transform=clip(64, 8)).split("train")
    for index in range(0, 300, 7):
        scene = dataset.scene(index)
        assert set(scene.instances.unique().tolist()) <= {GROUND, BAR, *(FIRST_THING + i for i in range(scene.count))}
        steps = scene.positions[1:] - scene.positions[:-1] - scene.velocities[:-1]
        assert ((steps / 64 - (steps / 64).round()).abs() < 1e-5).all(), (
            "velocities lead to the next frame, around edges"
        )
        assert (scene.velocities[:, 2:] == 0).all()
        assert (scene.velocities[:, :2] != 0).any()
        for number, distance in ((GROUND, GROUND_DISTANCE), (BAR, BAR_DISTANCE), (FIRST_THING, scene.distances[0])):
            assert (scene.depth[scene.instances == number] == distance).all()


def test_a_thing_is_seen_around_its_position_and_the_nearer_the_larger():
    dataset = Scenes(sprites="digits", train=500, transform=clip(64, 8)).split("train")
    for index in range(0, 200, 9):
        scene = dataset.scene(index)
        nearest = int(scene.distances.argmin())
        reach = 0.3 * 64 / scene.nearest + 1.5
        for frame in range(8):
            places = (scene.instances[frame] == FIRST_THING + nearest).nonzero()
            offset = (places - scene.positions[frame, nearest] + 32) % 64 - 32
            assert (offset.abs() <= reach).all()


def motion_features(x):
    """Where each frame's change has moved to in the next one: the correlation of differences, for halves of a clip."""
    spectrum = torch.fft.fft2((x[1:] - x[:-1]).mean(dim=1))
    surface = torch.fft.ifft2(spectrum[1:] * spectrum[:-1].conj()).real
    near = torch.fft.fftshift(surface, dim=(1, 2))[:, 4:-4:, 4:-4]
    return torch.cat([half.sum(dim=0).flatten() for half in near.chunk(2)])


def accuracy(features, labels, shown):
    scaler = StandardScaler().fit(features[:shown])
    features = scaler.transform(features)
    model = LogisticRegression(C=1e-3, max_iter=300).fit(features[:shown], labels[:shown])
    return model.score(features[shown:], labels[shown:])


def test_single_frames_do_not_tell_the_motion_and_changes_between_them_do():
    """Nine classes: chance is 11 %, and three standard errors above it are 16.6 % with 300 clips to test on."""
    config = replace(SMALL, things=(2, 2), ground="plain")
    dataset = config.split("train")
    clips = [dataset.scene(index).clip.permute(0, 3, 1, 2).float() for index in range(len(dataset))]
    labels = dataset.labels.numpy()
    pixels = torch.stack([frames[4].flatten() for frames in clips]).numpy()
    assert accuracy(pixels, labels, 600) < 0.166
    changes = torch.stack([motion_features(frames) for frames in clips]).numpy()
    assert accuracy(changes, labels, 600) > 0.35


def test_training_may_see_random_parts_of_scenes():
    config = replace(SMALL, augment=RandomResizedCrop(scale=(0.3, 0.6)))
    plain, augmented = config.split("train"), config.split("train", augmented=True)
    first, again, other = (augmented.get(3, epoch, 0)["x"] for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == plain.get(3, 0, 0)["x"].shape
    assert torch.equal(plain.get(3, 0, 0)["x"], plain.get(3, 1, 0)["x"])
    assert torch.equal(config.build().get(3, 0, 0)["x"], first)


def test_a_run_trains_on_scenes(tmp_path):
    data = replace(SMALL, train=18, transform=clip(32, TINY.frames))
    run = Run(model=TINY, data=data, steps=2, batch=4, device="cpu", workers=0, sinks=(), watch=Watch(samples=4))
    fit(run, tmp_path / "run")
    backbone = load(tmp_path / "run")
    assert backbone.transform == data.transform
    assert backbone(data.split("test").get(0, 0, 0)["x"][None]).values.shape == (1, 32, TINY.dim)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seed": -1}, "seed is 0 or above"),
        ({"test": 0}, "each part has at least one scene"),
        ({"things": (1, 4)}, "things is a range from 2 to 12"),
        ({"things": (5, 4)}, "fewest first"),
        ({"travel": (0.5, 1.0)}, "things may never meet"),
        ({"augment": RandomResizedCrop(flip=True)}, "a mirrored scene moves another way"),
    ],
)
def test_wrong_numbers_are_refused_with_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(SMALL, **wrong)
