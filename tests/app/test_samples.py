"""What is measured on: the data of the run through the backbone's transform, or what the user names."""

from dataclasses import dataclass

import pytest

from jepakit.app.samples import open_samples, samples_of
from jepakit.config import Config
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.images import Images
from jepakit.data.mixture import Mixture
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos

SMALL = ImageTransform(size=12)


@dataclass(frozen=True, kw_only=True)
class Unlabeled(Config):
    """Data without parts."""


def test_the_transform_says_which_kind_of_samples_there_are():
    pictures = open_samples("here", SMALL, "x")
    assert isinstance(pictures, Images)
    assert (pictures.root, pictures.transform) == ("here", SMALL)
    assert isinstance(open_samples("here", ClipTransform(), "x"), Videos)
    with pytest.raises(ValueError, match="x has no transform for pictures or videos"):
        open_samples("here", None, "x")


def test_data_of_a_run_take_the_transform_of_the_backbone_and_another_root():
    data = Images(root="there")
    assert samples_of(data, None, SMALL, "x") == Images(root="there", transform=SMALL)
    assert samples_of(data, "here", SMALL, "x") == Images(root="here", transform=SMALL)


def test_a_mixture_is_measured_as_it_is_or_on_what_is_named():
    """It has no root and no transform of its own that could be replaced."""
    mixture = Mixture(sources=(Images(root="there"), Images(root="elsewhere")), weights=(1.0, 1.0))
    assert samples_of(mixture, None, SMALL, "x") == mixture
    assert samples_of(mixture, "here", SMALL, "x").root == "here"


def test_data_without_parts_need_others():
    with pytest.raises(ValueError, match="have no parts to measure with"):
        samples_of(Unlabeled(), None, SMALL, "x")
    assert isinstance(samples_of(Unlabeled(), "here", SMALL, "x"), Images)
