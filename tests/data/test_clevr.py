"""CLEVR's folder, its labels as VTAB defines them, its parts, and what is no CLEVR."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from jepakit.config import Config
from jepakit.data.clevr import Clevr
from jepakit.data.transforms import ImageTransform

SMALL = ImageTransform(size=16)
DEPTHS = (7.9, 8.0, 8.49, 9.2, 9.99, 10.0, 12.0)


@pytest.fixture
def root(tmp_path):
    """Twenty pictures to train on, seven to test with; the first has three things, the next four, and so on."""
    for part, count in (("train", 20), ("val", 7)):
        (tmp_path / "images" / part).mkdir(parents=True)
        scenes = []
        for number in range(count):
            name = f"CLEVR_{part}_{number:06d}.png"
            Image.fromarray(np.full((24, 32, 3), number, np.uint8)).save(tmp_path / "images" / part / name)
            things = [{"pixel_coords": [5, 5, 20.0]} for _ in range(2 + number % 8)]
            things.append({"pixel_coords": [1, 2, DEPTHS[number % len(DEPTHS)]]})
            scenes.append({"image_filename": name, "objects": things})
        (tmp_path / "scenes").mkdir(exist_ok=True)
        (tmp_path / "scenes" / f"CLEVR_{part}_scenes.json").write_text(json.dumps({"scenes": scenes}))
    return str(tmp_path)


def test_labels_are_those_of_vtab(root):
    count = Clevr(root=root, transform=SMALL).split("test")
    assert count.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert count.classes[0] == "3 things"
    assert len(count.classes) == 8
    distance = Clevr(root=root, transform=SMALL, label="distance").split("test")
    assert distance.labels.tolist() == [0, 1, 1, 3, 4, 5, 5]
    assert distance.classes[1] == "nearest at 8 to 8.5"
    assert len(distance.classes) == 6


def test_parts_are_those_of_vtab(root):
    data = Clevr(root=root, transform=SMALL)
    assert [len(data.split(part)) for part in ("train", "validation", "test")] == [18, 2, 7]
    assert data.split("validation").name(0) == "images/train/CLEVR_train_000018.png"
    assert len(data.build()) == 20, "nothing of the test part is pretrained on"
    assert data.split("test").get(3, 0, 0)["x"].shape == (3, 16, 16)
    assert "reported as test" in data.notes()[0]


def test_few_labels_leave_all_pictures_to_pretrain_on(root, monkeypatch):
    monkeypatch.setattr("jepakit.data.clevr.FEW", {0: 5, 1: 1})
    data = Clevr(root=root, transform=SMALL, few=True)
    assert [len(data.split(part)) for part in ("train", "validation", "test")] == [5, 1, 7]
    assert len(data.build()) == 20


def test_what_is_no_clevr_gives_a_sentence(root, tmp_path):
    with pytest.raises(ValueError, match="is not CLEVR's folder: there is no scenes/CLEVR_train_scenes"):
        Clevr(root=str(tmp_path / "images")).split("train")
    path = tmp_path / "scenes" / "CLEVR_val_scenes.json"
    path.write_text('{"scenes": [{"image_filename": "a.png", "objects": []}]}')
    with pytest.raises(ValueError, match="has 0 things"):
        Clevr(root=root).split("test")
    path.write_text("[]")
    with pytest.raises(ValueError, match="cannot be read as CLEVR's scenes"):
        Clevr(root=root).split("test")


def test_it_survives_json():
    data = Clevr(root="x", label="distance", few=True)
    assert Config.from_json(data.to_json()) == data
    assert torch.tensor(data.transform.mean).shape == (3,)
