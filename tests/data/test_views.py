"""Views are cut and distorted as asked, are a function of (seed, epoch, index), and fit the keys that methods read."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import Rows
from jepakit.data import views as presets
from jepakit.data.distort import Distortion
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.views import Views
from jepakit.train.batches import Batch, collate

SOLARIZED = Distortion(jitter=0.0, gray=0.0, solarize=1.0)
UNCHANGED = replace(SOLARIZED, solarize=0.0)
PLAIN = ImageTransform(size=16, mean=(0.0,) * 3, std=(1.0,) * 3)
SMALL = {"locals": 3, "local_size": 8}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twelve pictures in which red says the row, and green the column."""
    rows, columns = np.meshgrid(np.arange(0, 240, 6), np.arange(0, 240, 6), indexing="ij")
    pictures = np.stack([np.stack([rows, columns, np.full_like(rows, 20 * n)], axis=-1) for n in range(12)])
    path = tmp_path_factory.mktemp("views") / "pictures.npz"
    np.savez(path, images=pictures.astype(np.uint8), labels=np.arange(12) % 2)
    return str(path)


def images(root: str, views: Views | None, transform: ImageTransform = PLAIN) -> Images:
    return Images(root=root, transform=transform, views=views)


def test_a_sample_has_its_views_under_three_keys_that_stack(root):
    dataset = images(root, Views(count=3, **SMALL)).build()
    samples = [dataset.get(index, 0, 0) for index in range(4)]
    assert {key: tuple(value.shape) for key, value in samples[0].items()} == {
        "x": (3, 16, 16), "globals": (2, 3, 16, 16), "locals": (3, 3, 8, 8), "label": ()
    }  # fmt: skip
    stacked, count, broken = collate(samples)
    assert stacked["locals"].shape == (4, 3, 3, 8, 8)
    (first, _), (second, rows) = Batch(stacked, count, broken).cut(2, 0, 4)
    assert first["globals"].shape == (2, 2, 3, 16, 16)
    assert rows == Rows(2, 2, 4)
    assert torch.equal(second["globals"][1], samples[3]["globals"])


def test_keys_without_views_are_left_out(root):
    assert "locals" not in images(root, Views()).build().get(0, 0, 0)
    assert "globals" not in images(root, Views(count=1, **SMALL)).build().get(0, 0, 0)


def test_views_are_a_function_of_seed_epoch_and_index(root):
    config = images(root, replace(presets.LEJEPA, locals=2, local_size=8))
    first, second = config.build(), config.build()
    before = first.get(3, 1, 5)
    first.get(0, 0, 0)
    again = second.get(3, 1, 5)
    assert before.keys() == again.keys()
    assert all(torch.equal(before[key], again[key]) for key in before)
    for other in (first.get(3, 2, 5), first.get(3, 1, 6)):
        assert not any(torch.equal(before[key], other[key]) for key in ("x", "globals", "locals"))


def test_all_views_of_a_picture_differ(root):
    sample = images(root, Views(count=4, **SMALL)).build().get(0, 0, 0)
    large = [sample["x"], *sample["globals"]]
    assert all(not torch.equal(a, b) for n, a in enumerate(large) for b in large[:n])
    assert all(not torch.equal(sample["locals"][n], sample["locals"][n - 1]) for n in range(3))


def test_the_first_view_is_what_the_crop_alone_gives(root):
    crop = RandomResizedCrop(scale=(0.3, 0.8), flip=True)
    alone = Images(root=root, transform=PLAIN, augment=crop).build()
    several = images(root, Views(crop=crop, **SMALL)).build()
    for index in range(len(alone)):
        assert torch.equal(alone.get(index, 2, 1)["x"], several.get(index, 2, 1)["x"])


def area_of(view: torch.Tensor) -> float:
    """Which share of the picture is seen: rows are told by red, columns by green."""
    spans = [(view[channel].max() - view[channel].min()).item() * 255 / 234 for channel in (0, 1)]
    return spans[0] * spans[1]


def test_local_views_see_as_little_as_their_crop_says(root):
    views = Views(crop=RandomResizedCrop(scale=(0.6, 1.0)), local_crop=RandomResizedCrop(scale=(0.1, 0.2)), **SMALL)
    dataset = images(root, views).build()
    for index in range(len(dataset)):
        sample = dataset.get(index, 0, 0)
        assert all(area_of(view) > 0.4 for view in (sample["x"], *sample["globals"]))
        assert all(area_of(view) < 0.25 for view in sample["locals"])


def test_distortions_take_turns(root):
    views = Views(count=3, crop=None, distortions=(SOLARIZED, UNCHANGED), local_distortion=SOLARIZED, **SMALL)
    dataset = images(root, views).build()
    sample, plain = dataset.get(0, 0, 0), images(root, None).build().get(0, 0, 0)["x"]
    levels = (plain * 255).round()
    solarized = torch.where(levels >= 128, 255 - levels, levels) / 255
    assert torch.allclose(sample["x"], solarized)
    assert torch.equal(sample["globals"][0], plain)
    assert torch.allclose(sample["globals"][1], solarized)
    assert sample["locals"].max() <= 127.5 / 255


def test_shared_views_are_one_view(root):
    views = Views(count=3, distortions=(presets.LEJEPA.distortions[0],), shared=True, **SMALL)
    sample = images(root, views).build().get(0, 0, 0)
    assert torch.equal(sample["globals"], sample["x"].expand(2, -1, -1, -1))
    assert not torch.equal(sample["locals"][0], sample["locals"][1])
    plain = images(root, presets.PLAIN).build().get(0, 3, 4)
    assert torch.equal(plain["x"], images(root, None).build().get(0, 0, 0)["x"])
    assert torch.equal(plain["globals"][0], plain["x"])


@pytest.mark.parametrize("name", ["CROPS", "PLAIN", "SIMCLR", "BYOL", "DINO", "LEJEPA"])
def test_published_views_take_gray_pictures_and_travel_as_json(root, name):
    views = replace(getattr(presets, name), local_size=8)
    gray = ImageTransform(size=16, channels=1, mean=(0.5,), std=(0.5,))
    config = images(root, views, gray)
    sample = config.build().get(0, 0, 0)
    assert sample["x"].shape == (1, 16, 16)
    assert all(bool(value.isfinite().all()) for value in sample.values())
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_published_views_fit_smaller_pictures():
    dino = presets.DINO.at(56, 24)
    assert dino.local_size == 24
    assert dino.distortions[0].sigma == (0.025, 0.5)
    assert dino.local_distortion is not None
    assert dino.local_distortion.sigma == (0.025, 0.5)
    assert (dino.distortions[1].solarize, dino.crop) == (0.2, presets.DINO.crop)
    assert presets.DINO.at(224, 96) == presets.DINO
    assert presets.CROPS.at(64, 32) == replace(presets.CROPS, local_size=32)


def test_parts_to_measure_with_are_single_views(root):
    data = images(root, presets.SIMCLR)
    part, augmented = data.split("train"), data.split("train", augmented=True)
    assert part is not None
    assert augmented is not None
    assert part.get(0, 0, 0).keys() == augmented.get(0, 0, 0).keys() == {"x", "label"}
    assert not torch.equal(augmented.get(0, 0, 0)["x"], augmented.get(0, 1, 0)["x"])
    assert data.everything().get(0, 0, 0).keys() == {"x", "label"}


def test_files_of_runs_without_views_can_still_be_read(root):
    written = Images(root=root).to_json()
    del written["views"]
    assert Config.from_json(written) == Images(root=root)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"count": 0}, "need count and local_size of 1 or more"),
        ({"locals": -1}, "need count and local_size of 1 or more"),
        ({"count": 1}, "one view has nothing to be compared with"),
        ({"distortions": (SOLARIZED,) * 3}, "3 distortions are more than there are different global views"),
        ({"distortions": (SOLARIZED, UNCHANGED), "shared": True}, "2 distortions are more than"),
        ({"crop": None}, "all views are equal; set shared=True"),
        ({"crop": None, "distortions": (UNCHANGED,)}, "all views are equal; set shared=True"),
    ],
)
def test_views_that_make_no_sense_give_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        Views(**wrong)


def test_views_and_augment_exclude_each_other(root):
    with pytest.raises(ValueError, match=r"data\.augment has to be None"):
        Images(root=root, augment=RandomResizedCrop(), views=Views())
