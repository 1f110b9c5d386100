"""preprocessor_config.json and ImageTransform say the same thing, or say that they cannot."""

import pytest

from jepakit.data.transforms import IMAGENET_MEAN, IMAGENET_STD, ImageTransform
from jepakit.weights.processor import read_processor, read_video_processor, write_processor, write_video_processor

SQUASH = write_processor(ImageTransform(size=64))


@pytest.mark.parametrize(
    "transform",
    [
        ImageTransform(size=64),
        ImageTransform(size=224, resize="shorter_side", crop_share=0.875, interpolation="bicubic"),
        ImageTransform(size=30, resize="shorter_side", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)),
    ],
)
def test_there_and_back(transform: ImageTransform) -> None:
    assert read_processor(write_processor(transform), "a file") == transform


def test_older_files_give_one_number_for_a_size() -> None:
    assert read_processor(SQUASH | {"size": 96}, "a file").size == 96
    cropped = SQUASH | {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224}
    transform = read_processor(cropped, "a file")
    assert (transform.size, transform.shorter) == (224, 256)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"do_normalize": False}, "turns do_normalize off"),
        ({"image_mean": None}, "image_mean as three numbers"),
        ({"rescale_factor": 1 / 127.5}, "not by 1/255"),
        ({"resample": 1}, "filter 1"),
        ({"size": {"height": 32, "width": 64}}, "a square size"),
        ({"size": {"shortest_edge": 32}}, "a square size"),
        ({"do_center_crop": True, "crop_size": {"height": 8, "width": 8}}, "a square size"),
        ({"image_mean": [0.5], "image_std": [0.5]}, "image_mean as three numbers"),
    ],
)
def test_what_cannot_be_done_exactly_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_processor(SQUASH | change, "a file")


def test_gray_pictures_have_no_processor() -> None:
    with pytest.raises(ValueError, match="make 3 channels, this transform makes 1"):
        write_processor(ImageTransform(channels=1, mean=(0.5,), std=(0.5,)))


VIDEO = {"do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 2, "size": {"shortest_edge": 300}}


@pytest.mark.parametrize("crop", [256, {"height": 256, "width": 256}])
def test_a_video_processor_resizes_by_its_rule_whatever_its_file_says(crop: object) -> None:
    picture = read_video_processor({**VIDEO, "crop_size": crop}, "a file")
    assert (picture.size, picture.shorter, picture.resize) == (256, 292, "shorter_side")
    assert (picture.mean, picture.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert read_video_processor(write_video_processor(picture), "a file") == picture


def test_a_video_processor_that_does_not_crop_is_refused() -> None:
    with pytest.raises(ValueError, match=r"resizes to .* with crop None"):
        read_video_processor({**VIDEO, "crop_size": 256, "do_center_crop": False}, "a file")
    with pytest.raises(ValueError, match="crop_size as a number or a height, not 'large'"):
        read_video_processor({**VIDEO, "crop_size": "large"}, "a file")
