"""Copies that were re-encoded, resized or relit are found, and pictures that only look alike are not."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from probed import Arrays
from sklearn.datasets import load_sample_images

from jepakit.config import Config
from jepakit.probes import duplicates
from jepakit.probes.duplicates import describe, find_duplicates, warn_of_duplicates


def photographs(count, size=48):
    """Squares of scikit-learn's two photographs, far enough apart not to be near-duplicates; no plain sky or blur."""
    squares = []
    for photo in load_sample_images().images:
        for top in range(0, 427 - 90, 60):
            for left in range(0, 640 - 90, 60):
                square = photo[top : top + 90, left : left + 90]
                if square.mean(axis=2).std() > 25:
                    squares.append(Image.fromarray(square).resize((size, size), Image.Resampling.LANCZOS))
    order = np.random.default_rng(0).permutation(len(squares))
    assert len(squares) >= count
    return [squares[number] for number in order[:count]]


def saved(picture, quality, scale=1.0):
    size = [round(side * scale) for side in picture.size]
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=quality)
    return Image.open(file).resize(picture.size, Image.Resampling.BILINEAR)


def dataset(pictures, prefix):
    arrays = [torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255 for picture in pictures]
    return Arrays(torch.stack(arrays), prefix=prefix)


@pytest.mark.parametrize(("quality", "scale"), [(50, 1.0), (75, 0.5), (75, 1.5), (95, 1.0)])
def test_planted_copies_are_found_with_their_source(quality, scale):
    pictures = photographs(60)
    pretraining = dataset(pictures[:40], "seen")
    evaluation = dataset([saved(picture, quality, scale) for picture in pictures[10:20]] + pictures[40:], "asked")
    found = find_duplicates(pretraining, evaluation)
    pairs = {(each.evaluated, each.pretrained) for each in found}
    planted = {(f"asked {number}", f"seen {number + 10}") for number in range(10)}
    assert len(planted & pairs) >= 9
    assert len(pairs - planted) <= 2


def test_light_and_contrast_do_not_hide_a_copy():
    pictures = photographs(60)
    relit = dataset(pictures[:10], "asked")
    relit.x = 0.6 * relit.x + 0.2
    assert {each.pretrained for each in find_duplicates(dataset(pictures, "seen"), relit)} == {
        f"seen {number}" for number in range(10)
    }


def test_sizes_may_differ_between_the_two_sides():
    pictures = photographs(60)
    small = [picture.resize((32, 32), Image.Resampling.LANCZOS) for picture in pictures[:10]]
    assert len(find_duplicates(dataset(pictures, "seen"), dataset(small, "asked"))) >= 9


def test_pictures_of_one_color_are_no_duplicates_and_give_no_nan():
    flat = Arrays(torch.ones(5, 3, 16, 16) * torch.linspace(0, 1, 5)[:, None, None, None])
    assert find_duplicates(flat, flat) == []
    assert describe(flat)[0].isfinite().all()


def test_unreadable_pictures_are_passed_over():
    pictures = photographs(30)
    seen, asked = dataset(pictures, "seen"), dataset(pictures, "asked")
    seen.broken, asked.broken = {3}, {5}
    names = {each.evaluated for each in find_duplicates(seen, asked)}
    assert names == {f"asked {number}" for number in range(30)} - {"asked 3", "asked 5"}


@dataclass(frozen=True, kw_only=True)
class Pretraining(Config):
    """Pictures whose training view is useless for a comparison."""

    augment: int | None = 1
    views: int | None = 1

    def build(self):
        whole = dataset(photographs(60), "seen")
        return whole if self.augment is self.views is None else Arrays(torch.rand(whole.x.shape))


class Evaluation:
    def __init__(self, test):
        self.test = test

    def split(self, part, augmented=False):
        return self.test if part == "test" else None


def test_the_warning_counts_and_names_and_looks_at_plain_views(capsys):
    test = dataset([saved(picture, 50) for picture in photographs(60)[:20]], "asked")
    assert len(warn_of_duplicates(Pretraining(), Evaluation(test))) >= 18
    said = capsys.readouterr().err
    assert "of 20 test pictures have a near-duplicate" in said
    assert "asked" in said
    assert "seen" in said


def test_nothing_is_said_where_nothing_was_found(capsys):
    test = Arrays(torch.rand(20, 3, 48, 48, generator=torch.Generator().manual_seed(0)))
    assert warn_of_duplicates(Pretraining(), Evaluation(test)) == []
    assert warn_of_duplicates(Pretraining(), Evaluation(None)) == []
    assert capsys.readouterr().err == ""


def test_of_very_many_pictures_some_are_looked_at_and_it_says_so(capsys, monkeypatch):
    monkeypatch.setattr(duplicates, "AT_MOST", 30)
    assert warn_of_duplicates(Pretraining(), Evaluation(dataset(photographs(60), "asked")))
    assert "looked at 30 of 60" in capsys.readouterr().err
