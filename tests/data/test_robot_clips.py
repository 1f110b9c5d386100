"""Clips of robots: parts by seed, cameras apart, scenes, and a table that belongs to the arrays."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from stages import make_take

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.robot_clips import (
    HELD_OUT_CAMERA,
    SCENES,
    TEST_FROM,
    VALIDATION_FROM,
    RobotClips,
    gather,
    part_of_seed,
    read_table,
)
from jepakit.data.robot_takes import take_path
from jepakit.data.sources import PARTS
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.videos import Videos
from jepakit.probes.splits import Labeled, Splits

SEEDS = (0, 1, VALIDATION_FROM, TEST_FROM, TEST_FROM + 1)
TASKS = ("push", "reach", "window-close", "window-open")
FAILED = ("reach", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("robots")
    for task in TASKS:
        for seed in SEEDS:
            make_take(task, seed, (task, seed) != FAILED).save(take_path(place, task, seed))
    gather(place)
    return place


@pytest.fixture
def data(folder):
    """Bytes as they are: a seed is the green of a frame, beside 100 times the camera."""
    plain = ClipTransform(
        sampling=Sampling(frames=16, step=1, policy="uniform"),
        picture=ImageTransform(size=64, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        tubelet=2,
    )
    return RobotClips(folder=str(folder), transform=plain)


def greens(dataset):
    return sorted({round(float(dataset.get(row, 0, 0)["x"][1].max()) * 255) for row in range(len(dataset))})


def test_parts_differ_in_seed_and_hold_all_cameras(data):
    assert greens(data.split("train")) == [0, 1, 100, 101]
    assert greens(data.split("validation")) == [21, 121]
    assert greens(data.split("test")) == [24, 25, 124, 125]
    assert greens(data.build()) == [0, 1, 21, 100, 101, 121]
    assert [PARTS[part_of_seed(seed)] for seed in (0, 20, 21, 23, 24, 99)] == [
        *("train", "train", "validation", "validation", "test", "test")
    ]


def test_the_held_out_camera_is_seen_by_no_other_data(data):
    apart = replace(data, cameras=(HELD_OUT_CAMERA,))
    assert greens(apart.split("test")) == [224, 225]
    assert not set(greens(apart.split("train"))) & set(greens(data.build()))


def test_clips_are_labeled_by_their_task_and_keep_the_order_of_time(data):
    test = data.split("test")
    assert isinstance(test, Dataset)
    assert test.classes == TASKS
    for row in range(len(test)):
        name, sample = test.name(row), test.get(row, 0, 0)
        assert name.startswith(f"{TASKS[int(sample['label'])]} ")
        task, seed, camera = name.replace(",", "").split()
        blue = make_take(task, int(seed)).clips[0, 0, 0, 0, 2]
        assert round(float(sample["x"][2].mean()) * 255) == blue
        assert ("left", "right")[round(float(sample["x"][1].max()) * 255) // 100] == camera
        assert (sample["x"][0, :, 0, 0] * 255).round().tolist() == list(range(16))


def test_a_take_in_which_the_task_was_not_done_is_in_the_table_only(data, folder):
    names = [part.name(row) for part in (data.build(), data.split("train")) for row in range(len(part))]
    assert "reach 1, left" not in names
    assert "reach 0, left" in names
    rows = read_table(folder).to_pylist()
    assert [(row["task"], row["seed"]) for row in rows if not row["success"]] == [FAILED]
    assert "1 of 20 takes are left out, for the task was not done in them" in data.notes()


def test_the_table_knows_where_gripper_and_objects_were(folder):
    row = next(row for row in read_table(folder).to_pylist() if (row["task"], row["seed"]) == ("push", 24))
    assert (row["part"], row["steps"]) == ("test", 74)
    take = make_take("push", 24)
    assert np.allclose(row["gripper"], take.gripper)
    assert np.allclose(row["objects"], take.objects)


def test_some_tasks_only(data):
    pair = replace(data, tasks=("window-open", "window-close"))
    splits = Splits.of(pair)
    assert isinstance(pair, Labeled)
    assert splits.train.classes == ("window-open", "window-close")
    assert sorted(set(splits.test.labels.tolist())) == [0, 1]
    assert len(splits.test) == len(data.split("test")) // 2
    for row in range(len(splits.test)):
        assert splits.test.name(row).startswith(splits.test.classes[int(splits.test.labels[row])])


def test_arrays_are_ordinary_clips(folder):
    videos = Videos(root=str(folder / "left.npy"))
    assert len(videos.everything()) == 19


def test_training_crops_all_frames_alike_and_never_mirrors(data):
    with pytest.raises(ValueError, match=r"set augment\.flip to False"):
        replace(data, augment=RandomResizedCrop(flip=True))
    cropped = replace(data, augment=RandomResizedCrop(scale=(0.3, 0.4)))
    first, again, other = (cropped.build().get(0, epoch, 7)["x"] for epoch in (0, 0, 1))
    assert first.equal(again)
    assert first.shape == other.shape == (3, 16, 64, 64)


def test_the_config_survives_a_file(data):
    assert Config.from_json(data.to_json()) == data


def test_scenes_are_disjoint_and_have_choices():
    tasks = list(itertools.chain(*SCENES))
    assert len(tasks) == len(set(tasks))
    assert all(len(scene) > 1 and list(scene) == sorted(scene) for scene in SCENES)


def test_bad_input_gets_a_sentence(data, folder, tmp_path):
    with pytest.raises(ValueError, match="film the clips first"):
        RobotClips(folder=str(tmp_path)).build()
    with pytest.raises(ValueError, match="holds no takes; film some first"):
        gather(tmp_path)
    with pytest.raises(ValueError, match="no clips of a camera 'top'; it has high, left, right"):
        replace(data, cameras=("top",)).build()
    with pytest.raises(ValueError, match="no clips of juggle; it has push, reach"):
        replace(data, tasks=("juggle",)).build()
    with pytest.raises(ValueError, match="name at least one camera"):
        replace(data, cameras=())


def test_takes_that_were_filmed_otherwise_are_named(tmp_path):
    make_take("push", 0).save(take_path(tmp_path, "push", 0))
    replace(make_take("push", 1), cameras=("a", "b", "c")).save(take_path(tmp_path, "push", 1))
    with pytest.raises(ValueError, match="push 1 was filmed otherwise than push 0"):
        gather(tmp_path)


def test_arrays_of_another_table_are_refused(data, tmp_path):
    make_take("push", 0).save(take_path(tmp_path, "push", 0))
    gather(tmp_path)
    np.save(tmp_path / "left.npy", np.zeros((3, 16, 64, 64, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="holds 3 clips, its table names 1; gather them again"):
        replace(data, folder=str(tmp_path)).build()
