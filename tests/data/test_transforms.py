"""ImageTransform gives what Hugging Face's processors give, and the random crop draws what its paper says."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from jepakit.data.transforms import IMAGENET_MEAN, IMAGENET_STD, ImageTransform, RandomResizedCrop, cut, recolor

# One level of 255, divided by the smallest std: what rounding may change in a normalized value.
ONE_LEVEL = 1 / 255 / min(IMAGENET_STD)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(load_sample_image("china.jpg")[:375, :500])


def test_squash_equals_the_processor_of_hugging_face(photo):
    from transformers import ViTImageProcessor

    processor = ViTImageProcessor(
        size={"height": 224, "width": 224}, resample=2, image_mean=list(IMAGENET_MEAN), image_std=list(IMAGENET_STD)
    )
    expected = torch.as_tensor(processor(Image.fromarray(photo), return_tensors="pt")["pixel_values"][0])
    difference = (ImageTransform()(photo) - expected).abs()
    assert difference.max() <= 1.01 * ONE_LEVEL
    assert difference.mean() < 0.2 * ONE_LEVEL


@pytest.mark.parametrize("shape", [(375, 500), (500, 333), (224, 224), (100, 60)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_shorter_side_equals_the_processor_of_hugging_face(photo, shape, interpolation):
    from transformers import BitImageProcessor

    picture = np.asarray(Image.fromarray(photo).resize((shape[1], shape[0])))
    processor = BitImageProcessor(
        size={"shortest_edge": 256},
        crop_size={"height": 224, "width": 224},
        resample={"bilinear": 2, "bicubic": 3}[interpolation],
        image_mean=list(IMAGENET_MEAN),
        image_std=list(IMAGENET_STD),
    )
    expected = torch.as_tensor(processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"][0])
    transform = ImageTransform(resize="shorter_side", crop_share=0.875, interpolation=interpolation)
    difference = (transform(picture) - expected).abs()
    levels = {"bilinear": 1, "bicubic": 2}[interpolation]  # both round between their two passes
    assert difference.max() <= 1.01 * levels * ONE_LEVEL
    assert difference.mean() < 0.2 * ONE_LEVEL


def test_every_kind_of_raw_picture_gives_the_same_numbers(photo, tmp_path):
    transform = ImageTransform(size=64)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    expected = transform(photo)
    assert expected.shape == (3, 64, 64)
    assert expected.is_contiguous()
    for raw in (
        tmp_path / "photo.png",
        str(tmp_path / "photo.png"),
        Image.fromarray(photo),
        torch.from_numpy(photo).permute(2, 0, 1),
        np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)]),
    ):
        assert torch.equal(transform(raw), expected)


def test_gray_and_color_convert_both_ways(photo):
    gray = ImageTransform(size=32, channels=1, mean=(0.5,), std=(0.5,))
    by_pillow = np.asarray(Image.fromarray(photo).convert("L"))
    assert torch.equal(recolor(torch.from_numpy(photo).permute(2, 0, 1), 1)[0], torch.from_numpy(by_pillow.copy()))
    assert gray(photo).shape == (1, 32, 32)
    three = ImageTransform(size=32, mean=(0.5,) * 3, std=(0.5,) * 3)(by_pillow)
    assert torch.equal(three, gray(by_pillow).expand(3, -1, -1))


def test_transparent_parts_become_white():
    clear = np.zeros((8, 8, 4), np.uint8)
    assert (ImageTransform(size=8, mean=(0.0,) * 3, std=(1.0,) * 3)(clear) - 1).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        (torch.zeros(3, 4, 4), "uint8"),
        (np.zeros((3, 5, 5), np.uint8), r"\[h w c\]"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8)[None], r"\[c h w\]"),
        (np.zeros((0, 4), np.uint8), "shape"),
    ],
)
def test_other_input_is_refused_in_one_sentence(raw, words):
    with pytest.raises(ValueError, match=words):
        ImageTransform()(raw)


@pytest.mark.parametrize(
    "fields",
    [
        {"size": 0},
        {"crop_share": 0.875},
        {"resize": "shorter_side", "crop_share": 1.5},
        {"channels": 1},
        {"std": (0.1, 0.0, 0.1)},
    ],
)
def test_an_impossible_transform_is_refused(fields):
    with pytest.raises(ValueError, match=r"got|needs"):
        ImageTransform(**fields)


def test_the_transform_travels_as_json():
    transform = ImageTransform(size=96, resize="shorter_side", crop_share=0.9, interpolation="bicubic")
    assert ImageTransform.from_json(transform.to_json()) == transform


def test_the_crop_is_a_function_of_its_generator_and_matches_pillow(photo):
    crop = RandomResizedCrop(flip=True)
    pixels = torch.from_numpy(photo).permute(2, 0, 1)
    boxes = [crop.draw(375, 500, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert boxes == [crop.draw(375, 500, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert {box.flip for box in boxes} == {True, False}
    for box in boxes:
        part = (box.left, box.top, box.left + box.width, box.top + box.height)
        expected = Image.fromarray(photo).crop(part).resize((96, 96), Image.Resampling.BILINEAR)
        expected = np.asarray(expected)[:, ::-1] if box.flip else np.asarray(expected)
        ours = cut(pixels, box, 96, "bilinear").permute(1, 2, 0).numpy()
        assert np.abs(ours.astype(int) - expected).max() <= 1


def test_the_crop_draws_areas_and_aspects_evenly():
    crop = RandomResizedCrop(scale=(0.2, 0.6))
    generator = torch.Generator().manual_seed(0)
    boxes = [crop.draw(300, 300, generator) for _ in range(2000)]
    areas = torch.tensor([box.height * box.width / 300**2 for box in boxes])
    aspects = torch.tensor([box.width / box.height for box in boxes]).log()
    assert 0.19 < areas.min() < 0.21
    assert 0.59 < areas.max() < 0.61
    assert abs(areas.mean() - 0.4) < 0.01
    assert abs(aspects.mean()) < 0.01
    assert abs(aspects.std() - 2 * torch.tensor(4 / 3).log() / 12**0.5) < 0.01
    assert all(box.top + box.height <= 300 and box.left + box.width <= 300 for box in boxes)


@pytest.mark.parametrize(("height", "width"), [(1, 500), (500, 1), (1, 1), (20, 400)])
def test_the_crop_of_an_extreme_picture_lies_inside(height, width):
    for seed in range(20):
        box = RandomResizedCrop().draw(height, width, torch.Generator().manual_seed(seed))
        assert min(box.top, box.left) >= 0
        assert 1 <= box.height <= height - box.top
        assert 1 <= box.width <= width - box.left
