"""Segmentation and depth: told exactly where tokens hold the answer, chosen on validation, and nothing made up."""

import json
from dataclasses import replace

import pytest
import torch
from probed import Arrays
from torch import nn

from jepakit.config import Config
from jepakit.data.scene_truth import KINDS
from jepakit.data.scenes import SCENE_CLIP, Scenes
from jepakit.data.transforms import ImageTransform
from jepakit.probes.attentive import Patches
from jepakit.probes.dense import Depth, Segmentation
from jepakit.probes.dense_grids import encode_grids, lay_out
from jepakit.probes.dense_heads import Fitting
from jepakit.probes.result import Result
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.tokens import Tokens

DEPTHS = torch.tensor([1.0, 2.5, 4.0])
QUICK = Fitting(rates=(0.1, 1e38), steps=150, batch=8)
"""The second rate is far too high: its head says the first class of everything, and no depth at all."""
SEGMENTATION = Segmentation(classes=("near", "middle", "far"), fitting=QUICK, pixel_patch=(2, 2, 2))
DEPTH = Depth(nearest=1.0, farthest=4.0, bins=4, fitting=QUICK, pixel_patch=(2, 2, 2))


class Dense(Arrays):
    """Samples whose one channel is the class of the pixel, with noise where `told` is False."""

    def __init__(self, mask, seed=0, told=True, broken=(), prefix="sample", keys=("mask", "depth")):
        x = mask if told else torch.randint(0, 3, mask.shape, generator=torch.Generator().manual_seed(seed))
        super().__init__(nn.functional.one_hot(x, 3).movedim(-1, 1).float(), None, broken, prefix)
        self.truth = {"mask": mask, "depth": DEPTHS[mask]}
        self.keys = keys

    def get(self, index, epoch, seed):
        sample = super().get(index, epoch, seed)
        return {**sample, **{key: self.truth[key][index] for key in self.keys}}


def halves(count, seed, frames=None):
    """Masks of 8 x 8 in which the left part is of one class and the right one of another, cut between patches."""
    random = torch.Generator().manual_seed(seed)
    masks = torch.empty(count, 8, 8, dtype=torch.long)
    for mask in masks:
        left, right, cut = torch.randint(0, 3, (3,), generator=random)
        mask[:, : 2 + 2 * int(cut)], mask[:, 2 + 2 * int(cut) :] = left, right
    return masks if frames is None else masks[:, None].expand(-1, frames, -1, -1).clone()


def splits(make=halves, **changes):
    train, validation, test = (
        Dense(make(count, seed), seed, prefix=prefix, **changes)
        for count, seed, prefix in ((40, 1, "train"), (12, 2, "validation"), (12, 3, "test"))
    )
    return Splits(train, validation, test, train, "validation split")


def clips(count, seed):
    return halves(count, seed, frames=4)


@pytest.mark.parametrize("make", [halves, clips])
def test_tokens_that_hold_the_answer_give_it(make):
    subject = Subject("raw pixels", None, splits(make))
    found = SEGMENTATION.measure(subject, 0)
    assert found.value > 0.99
    assert found.low <= found.value <= found.high
    assert (found.metric, found.splits) == ("mean IoU", {"train": 40, "validation": 12, "test": 12})
    assert found.others["pixel accuracy"] > 0.99
    assert found.others["IoU of middle"] > 0.98
    depth = DEPTH.measure(subject, 0)
    spread = DEPTHS[halves(12, 3)].std().item()
    assert depth.value < 0.35 * spread, "what is left is the blend over two patches"
    assert depth.others["a1"] > 0.85


def test_tokens_that_hold_nothing_give_nothing():
    subject = Subject("noise", None, splits(told=False))
    assert SEGMENTATION.measure(subject, 0).value < 0.45
    assert DEPTH.measure(subject, 0).value > 0.8 * DEPTHS[halves(12, 3)].std().item()


def test_the_head_is_chosen_on_validation_and_the_test_split_is_only_reported():
    parts = splits()
    before = SEGMENTATION.measure(Subject("raw pixels", None, parts), 0)
    assert before.chosen["rate"] == 0.1
    parts.test.truth["mask"] = (parts.test.truth["mask"] + 1) % 3
    after = SEGMENTATION.measure(Subject("raw pixels", None, parts), 0)
    assert after.chosen == before.chosen
    assert after.value < 0.02
    parts.validation.truth["mask"] = (parts.validation.truth["mask"] + 1) % 3
    assert SEGMENTATION.measure(Subject("raw pixels", None, parts), 0).chosen["rate"] == 1e38
    assert DEPTH.measure(Subject("raw pixels", None, parts), 0).chosen["rate"] == 0.1


def test_unknown_pixels_teach_and_count_nothing():
    parts = splits()
    for part in (parts.train, parts.validation, parts.test):
        wrong = torch.rand(part.truth["mask"].shape, generator=torch.Generator().manual_seed(5)) < 0.3
        part.truth = {
            "mask": part.truth["mask"].masked_fill(wrong, -7),
            "depth": part.truth["depth"].masked_fill(wrong, 0.0),
        }
    subject = Subject("raw pixels", None, parts)
    assert SEGMENTATION.measure(subject, 0).value > 0.99
    assert DEPTH.measure(subject, 0).others["a1"] > 0.85


def test_broken_samples_are_named():
    parts = splits()
    parts.train.broken, parts.test.broken = {0, 39}, {4}
    found = SEGMENTATION.measure(Subject("raw pixels", None, parts), 0)
    assert found.unreadable == {"train": ("train 0", "train 39"), "validation": (), "test": ("test 4",)}
    assert (found.splits["train"], found.splits["test"], found.labels) == (38, 11, 38)
    parts.test.broken = set(range(12))
    with pytest.raises(ValueError, match="none of the 12 samples can be read"):
        SEGMENTATION.measure(Subject("raw pixels", None, parts), 0)


def test_a_token_is_asked_about_the_first_of_its_frames():
    mask = torch.arange(8).view(1, 4, 2, 1).expand(1, 4, 2, 2) % 3
    grids = encode_grids(Patches(3, (2, 1, 1)), Dense(mask))
    assert (grids.x.shape[:3], grids.steps, len(grids)) == ((2, 2, 2), 2, 1)
    assert torch.equal(grids.truth["mask"].long(), mask[0, ::2])
    assert torch.equal(grids.truth["depth"], DEPTHS[mask[0, ::2]])
    pixels = nn.functional.one_hot(mask[0], 3).float()
    assert torch.equal(grids.x[1, 1, 0, :6].float().view(3, 2), pixels[2:, 1, 0].T)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 4, 7, 8), (1, 4, 8, 9)])
def test_a_truth_that_does_not_lie_under_the_tokens_is_refused(shape):
    data = Dense(torch.zeros(1, 4, 8, 8, dtype=torch.long))
    data.truth["mask"] = torch.zeros(shape, dtype=torch.long)
    with pytest.raises(ValueError, match="the mask of sample 0 has the shape"):
        encode_grids(Patches(3, (2, 2, 2)), data)


def test_tokens_stand_where_they_say_they_are():
    torch.manual_seed(0)
    tokens = Patches(3, (2, 2))(torch.randn(2, 3, 4, 6))
    order = torch.randperm(6)
    shuffled = Tokens(tokens.values[:, order], tokens.coords[:, order], None, tokens.extent)
    assert torch.equal(lay_out(shuffled), lay_out(tokens))
    assert torch.equal(lay_out(tokens)[1, 0, 1, 2], tokens.values[1, 5])
    for wrong in (
        tokens.take(torch.tensor([[0, 1, 2, 3]]).expand(2, -1)),
        Tokens(tokens.values, tokens.coords * 0, None, tokens.extent),
        Tokens(tokens.values, tokens.coords, None, None),
    ):
        with pytest.raises(ValueError, match="a dense probe needs"):
            lay_out(wrong)


@pytest.mark.parametrize(
    ("changes", "probe", "sentence"),
    [
        ({"keys": ("mask",)}, DEPTH, 'samples hold no "depth"'),
        ({}, replace(SEGMENTATION, classes=("near", "far")), "a mask holds the class 2, but only 2 are named"),
        ({}, replace(SEGMENTATION, pixel_patch=(2, 2, 3)), r"patches of \(2, 3\) do not tile samples of \(8, 8\)"),
    ],
)
def test_what_does_not_fit_gets_a_sentence(changes, probe, sentence):
    with pytest.raises(ValueError, match=sentence):
        probe.measure(Subject("raw pixels", None, splits(**changes)), 0)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Segmentation(classes=("all",)), "at least 2 classes"),
        (lambda: Depth(nearest=3.0, farthest=2.0), "from nearest to farthest"),
        (lambda: Depth(nearest=1.0, farthest=2.0, bins=1), "at least 2 bins"),
        (lambda: Fitting(rates=()), "at least one rate"),
        (lambda: Fitting(steps=0), "at least 1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_scenes_are_probed_and_the_result_survives_json():
    clip = replace(SCENE_CLIP, sampling=replace(SCENE_CLIP.sampling, frames=4), picture=ImageTransform(size=32))
    data = Scenes(sprites="digits", train=24, validation=12, test=12, transform=clip, truth=True)
    subject = Subject("raw pixels", None, Splits.of(data))
    quick = Fitting(rates=(1e-2,), steps=40)
    found = Segmentation(classes=KINDS, fitting=quick).measure(subject, 0)
    assert 0.2 < found.value < 0.9
    back = Result.from_json(json.loads(json.dumps(found.to_json())))
    assert back == replace(found, settings=back.settings)
    assert Config.from_json(found.settings) == Segmentation(classes=KINDS, fitting=quick)
    older = found.to_json()
    del older["others"]
    assert Result.from_json(older).others == {}
