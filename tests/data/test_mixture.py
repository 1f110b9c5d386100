"""A mixture deals out its samples by weight, reads each source as if it were alone, and depends on the seed alone."""

from collections import Counter

import numpy as np
import pytest
import torch
from films import picture

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.images import Images
from jepakit.data.mixture import Mixture, apportion
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.videos import Videos

SIZE = ImageTransform(size=16)
CLIP = ClipTransform(sampling=Sampling(frames=2, step=1), picture=SIZE)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> Mixture:
    """Five clips and eleven pictures, three to one."""
    root = tmp_path_factory.mktemp("mixed")
    np.save(root / "clips.npy", np.stack([np.stack([picture(row), picture(row + 1)]) for row in range(5)]))
    np.save(root / "pictures.npy", np.stack([picture(row) for row in range(11)]))
    crop = RandomResizedCrop()
    return Mixture(
        sources=(
            Videos(root=str(root / "clips.npy"), transform=CLIP, augment=crop),
            Videos(root=f"pictures:{root / 'pictures.npy'}", transform=CLIP, augment=crop),
        ),
        weights=(3.0, 1.0),
    )


def kinds(dataset: Dataset, epoch: int, seed: int = 0) -> list[int]:
    """The source of each sample of an epoch: of 16 numbers, 0 to 4 are clips."""
    return [int(index % 16 >= 5) for index in dataset.order(epoch, seed).tolist()]


def test_samples_are_dealt_out_by_weight(mixture):
    dataset = mixture.build()
    assert isinstance(dataset, Dataset)
    assert len(dataset) == 16
    for epoch in range(5):
        assert Counter(kinds(dataset, epoch)) == {0: 12, 1: 4}
    assert apportion(10, (1.0, 1.0, 1.0)) == [4, 3, 3]
    assert apportion(7, (0.5, 0.3, 0.2)) == [4, 2, 1]


def test_the_order_is_a_pure_function_of_seed_and_epoch(mixture):
    one, other = mixture.build(), mixture.build()
    other.order(4, 0)
    assert torch.equal(one.order(2, 1), other.order(2, 1))
    assert not torch.equal(one.order(2, 1), one.order(3, 1))
    assert not torch.equal(one.order(2, 1), one.order(2, 2))


def test_each_source_is_read_as_if_it_were_alone(mixture):
    """Four epochs of the mixture: 48 clips are more than nine epochs of five, 16 pictures one and a half of eleven."""
    dataset = mixture.build()
    seen = [(epoch, index) for epoch in range(4) for index in dataset.order(epoch, 3).tolist()]
    for which, source in enumerate(source.build() for source in mixture.sources):
        mine = [pair for pair in seen if int(pair[1] % 16 >= 5) == which]
        for place, (epoch, index) in enumerate(mine):
            own, step = divmod(place, len(source))
            local = int(source.order(own, 3)[step])
            assert dataset.name(index) == source.name(local)
            if place % 7 == 0:
                assert torch.equal(dataset.get(index, epoch, 3)["x"], source.get(local, own, 3)["x"])


def test_batches_can_be_of_one_kind(mixture):
    """Clips and single pictures have different shapes: a batch of four holds one or the other."""
    pictures = Images(root=mixture.sources[1].root.removeprefix("pictures:"), transform=SIZE)
    mixed = Mixture(sources=(mixture.sources[0], pictures), weights=(1.0, 1.0), together=4, size=26).build()
    assert len(mixed) == 24
    order = mixed.order(0, 0).tolist()
    shapes = [{mixed.get(index, 0, 0)["x"].ndim for index in order[first : first + 4]} for first in range(0, 24, 4)]
    assert sorted(shapes, key=str) == [{3}, {3}, {3}, {4}, {4}, {4}]


def test_a_mixture_survives_json_and_is_probed_by_its_first_source(mixture):
    assert Config.from_json(mixture.to_json()) == mixture
    assert mixture.transform == CLIP
    assert mixture.split("test") is None
    labeled = Mixture(sources=(Images(root="packaged:digits"), mixture.sources[0]), weights=(1.0, 1.0))
    assert labeled.split("test").classes == tuple("0123456789")
    assert labeled.notes()[0].startswith("source 1: 10% of the samples")


def test_meters_are_read_on_the_first_source_of_the_first_mixture(mixture):
    clips = mixture.build().first_source
    assert (len(clips), clips.get(0, 0, 0)["x"].shape) == (5, (3, 2, 16, 16))
    nested = Mixture(sources=(mixture, mixture.sources[1]), weights=(1.0, 1.0)).build()
    assert len(nested.first_source) == 5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weights": (1.0,)}, "needs a weight for each source"),
        ({"weights": (1.0, 0.0)}, "weights are above 0"),
        ({"together": 0}, "together is a number"),
        ({"sources": (CLIP, CLIP)}, "ClipTransform cannot be mixed"),
        ({"weights": (1000.0, 1.0)}, "has none of source 2 of the mixture"),
    ],
)
def test_mixtures_that_cannot_work_are_refused(changes, sentence, mixture):
    with pytest.raises(ValueError, match=sentence):
        Mixture(**{"sources": mixture.sources, "weights": mixture.weights, **changes}).build()
