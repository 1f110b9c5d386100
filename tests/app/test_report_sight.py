"""What is looked at is what the report says: held out, the same before training as the run began with."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jepakit.app.report.sight import look
from jepakit.contracts import BrokenSample
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.images import Images
from jepakit.data.mixture import Mixture
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family import ijepa, vjepa21
from jepakit.parts.nn.sizes import Larger
from jepakit.pretrained import load_method
from jepakit.train.fit import fit
from jepakit.train.log import read_run
from jepakit.train.run import Run
from jepakit.train.watch import Watch


@pytest.fixture(scope="module")
def sight(finished_run):
    return look(finished_run)


def test_the_gallery_is_held_out_and_the_shown_pictures_are_of_different_classes(sight):
    assert sight.part == "the test split"
    assert len(set(sight.gallery)) == len(sight.gallery) == len(sight.labels)
    shown = sight.labels[list(sight.shown)].tolist()
    assert len(set(shown)) == len(shown) == 8


def test_where_few_are_held_out_what_was_trained_on_is_looked_at(finished_run, monkeypatch):
    split = Images.split

    def spoiled(self, part, augmented=False):
        """All but two samples of what is held out are broken."""
        dataset = split(self, part, augmented)
        get = type(dataset).get

        def broken(self, index, epoch, seed):
            if index > 1:
                raise BrokenSample(f"{self.name(index)}: it is empty")
            return get(self, index, epoch, seed)

        if part == "train":
            return dataset
        dataset.__class__ = type("Spoiled", (type(dataset),), {"get": broken})
        return dataset

    monkeypatch.setattr(Images, "split", spoiled)
    seen = look(finished_run)
    assert seen.part == "the training pictures, for too few that are held out can be read"
    assert len(seen.gallery) > 100


def test_of_a_mixture_the_first_source_is_looked_at(tmp_path):
    """Clips and pictures cannot be drawn in one strip."""
    chance = np.random.default_rng(0)
    np.save(tmp_path / "clips.npy", chance.integers(0, 256, (5, 4, 32, 32, 3), dtype=np.uint8))
    np.save(tmp_path / "pictures.npy", chance.integers(0, 256, (9, 32, 32, 3), dtype=np.uint8))
    clip = ClipTransform(sampling=Sampling(frames=4, step=1), picture=ImageTransform(size=32), still="single")
    clips = Videos(root=str(tmp_path / "clips.npy"), transform=clip)
    pictures = replace(clips, root=f"pictures:{tmp_path / 'pictures.npy'}")
    run = Run(
        model=vjepa21.TINY, data=Mixture(sources=(clips, pictures), weights=(1.0, 1.0), together=2), steps=1, batch=2,
        watch=Watch(action="off"), device="cpu", workers=0, sinks=(),
    )  # fmt: skip
    fit(run, tmp_path / "run")
    seen = look(tmp_path / "run")
    assert seen.strip.is_clip
    assert len(seen.gallery) == 5


def test_features_are_those_of_the_kept_backbone(sight, finished_run):
    backbone = load_method(finished_run).kept.eval()
    x = torch.stack([sight.dataset.get(sight.gallery[row], 0, 0)["x"] for row in sight.shown])
    with torch.inference_mode():
        tokens = backbone(x)
    assert torch.allclose(tokens.values, sight.trained.patches, atol=1e-5)
    assert torch.allclose(tokens.pooled(), sight.trained.pooled[list(sight.shown)], atol=1e-5)


def test_the_fresh_network_is_the_one_the_run_began_with(sight, finished_run):
    run = read_run(finished_run)
    torch.manual_seed(run.seed)
    x = sight.dataset.get(sight.gallery[0], 0, 0)["x"].unsqueeze(0)
    with torch.inference_mode():
        expected = run.model.build().kept.eval()(x).pooled()
    assert torch.allclose(expected, sight.fresh.pooled[:1], atol=1e-5)
    assert not torch.allclose(sight.trained.pooled, sight.fresh.pooled, atol=1e-3)


def test_looking_does_not_move_the_random_state(finished_run):
    before = torch.get_rng_state()
    look(finished_run)
    assert torch.equal(before, torch.get_rng_state())


def test_a_picture_is_given_back_as_it_was_stored(sight):
    source = sight.dataset.get(sight.gallery[3], 0, 0)["x"]
    again = sight.transform.normalize(sight.picture(3).permute(2, 0, 1))
    assert torch.allclose(source, again, atol=1e-6)


def test_masks_are_those_of_the_method(sight):
    (question,) = sight.questions
    assert (question.name, question.split.targets.shape[:2]) == ("", (8, 4))
    for context, targets in zip(question.split.context, question.split.targets.flatten(1), strict=True):
        assert not set(context.tolist()) & set(targets.tolist())


def test_a_method_without_a_masker_has_no_masks(sight):
    from jepakit.app.report.seeing import show_masks

    assert "draws no masks" in show_masks(replace(sight, questions=()))


@pytest.mark.parametrize(
    ("model", "averaged", "fixed"),
    [
        (ijepa.TINY, True, False),
        (replace(ijepa.TINY, target="pixels"), False, True),
        (replace(vjepa21.TINY, distilled_from=64, larger=Larger(dim=64, depth=4, heads=4)), False, True),
    ],
)
def test_the_report_knows_whether_answers_move(sight, model, averaged, fixed):
    seen = replace(sight, method=model.build())
    assert (seen.averaged, seen.fixed_answers) == (averaged, fixed)
