"""Distortions are the published formulas, written here a second time in NumPy, and draw what they say."""

import colorsys
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import ImageEnhance
from scipy import ndimage, stats
from sklearn.datasets import load_sample_image

from jepakit.data import distort
from jepakit.data.distort import BYOL_FIRST, BYOL_SECOND, LEJEPA, SIMCLR, Distortion
from jepakit.data.order import generator_for
from jepakit.data.transforms import recolor

NOTHING = Distortion(jitter=0.0, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0, gray=0.0)
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    flower = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1)
    return flower[:, 100:164, 200:264].contiguous()


def fit(change: np.ndarray, base: np.ndarray) -> float:
    """The factor f of change = f * base, by least squares."""
    return float((change * base).sum() / (base * base).sum())


def rendered(distortion: Distortion, photo: torch.Tensor, key: int) -> np.ndarray:
    return distortion(photo, generator_for(key)).permute(1, 2, 0).numpy().astype(float)


def reference_point(kind: str, x: np.ndarray) -> np.ndarray:
    """What is left of a picture at factor 0."""
    luma = x @ LUMA
    if kind == "brightness":
        return np.zeros_like(x)
    return np.full_like(x, round(luma.mean())) if kind == "contrast" else np.repeat(luma[:, :, None], 3, axis=2)


@pytest.mark.parametrize(("kind", "strength"), [("brightness", 0.4), ("contrast", 0.8), ("saturation", 1.5)])
def test_factors_blend_as_published_and_are_uniform(photo, kind, strength):
    x = photo.permute(1, 2, 0).numpy().astype(float)
    degenerate = reference_point(kind, x)
    factors = []
    for key in range(60):
        out = rendered(replace(NOTHING, jitter=1.0, **{kind: strength}), photo, key)
        inside = (out > 0) & (out < 255)
        factor = fit((out - degenerate)[inside], (x - degenerate)[inside])
        expected = np.clip(degenerate + factor * (x - degenerate), 0, 255)
        assert np.abs(out - expected).max() <= 2  # Pillow rounds luma and result
        factors.append(factor)
    low, high = max(0, 1 - strength), 1 + strength
    assert low - 0.02 <= min(factors)
    assert max(factors) <= high + 0.02
    assert stats.kstest(factors, "uniform", (low, high - low)).pvalue > 0.01


def turned(x: np.ndarray, turn: float) -> np.ndarray:
    pixels = [colorsys.rgb_to_hsv(*pixel) for pixel in (x / 255).reshape(-1, 3)]
    return 255 * np.array([colorsys.hsv_to_rgb((h + turn) % 1, s, v) for h, s, v in pixels]).reshape(x.shape)


def test_hue_goes_round_the_circle_of_colors(photo):
    small = photo[:, ::4, ::4]
    x = small.permute(1, 2, 0).numpy().astype(float)
    best = []
    for key in range(8):
        out = rendered(replace(NOTHING, jitter=1.0, hue=0.2), small, key)
        errors = {step: np.abs(turned(x, step / 255) - out).mean() for step in range(-51, 52, 3)}
        best.append(min(errors, key=errors.__getitem__) / 255)
        assert min(errors.values()) < 3  # hues are bytes in Pillow
    assert max(np.abs(best)) <= 0.2
    assert np.ptp(best) > 0.1


def test_gray_is_luma_in_three_channels(photo):
    assert torch.equal(replace(NOTHING, gray=1.0)(photo, generator_for(0)), recolor(recolor(photo, 1), 3))


@pytest.mark.parametrize("sigma", [0.6, 1.2, 2.0])
def test_blur_is_gaussian(photo, sigma):
    out = rendered(replace(NOTHING, blur=1.0, sigma=(sigma, sigma)), photo, 0)
    x = photo.permute(1, 2, 0).numpy().astype(float)
    errors = {
        width: np.abs(out - ndimage.gaussian_filter(x, (width * sigma, width * sigma, 0), mode="nearest")).mean()
        for width in (0.0, 0.7, 1.0, 1.4)
    }
    assert min(errors, key=errors.__getitem__) == 1.0
    assert errors[1.0] < 0.8  # levels of 255: Pillow blurs by three boxes, and rounds


def test_solarization_turns_the_bright_half(photo):
    assert torch.equal(
        replace(NOTHING, solarize=1.0)(photo, generator_for(0)), torch.where(photo >= 128, 255 - photo, photo)
    )


@pytest.mark.parametrize("kind", ["jitter", "gray", "blur", "solarize"])
def test_shares_are_shares(photo, kind):
    distortion = replace(NOTHING, **{kind: 0.3, "brightness": 0.4, "sigma": (1.0, 2.0)})
    changed = sum(not torch.equal(distortion(photo, generator_for(key)), photo) for key in range(400))
    assert stats.binomtest(changed, 400, 0.3).pvalue > 0.001


def test_jitter_takes_its_steps_in_every_order(photo, monkeypatch):
    steps: list[str] = []

    def recorded(name):
        class Recorder(getattr(ImageEnhance, name)):
            def enhance(self, factor):
                steps.append(name)
                return super().enhance(factor)

        return Recorder

    for name in ("Brightness", "Contrast", "Color"):
        monkeypatch.setattr(distort.ImageEnhance, name, recorded(name))
    monkeypatch.setattr(distort, "turn_hue", lambda image, turn: steps.append("hue") or image)
    orders = set()
    for key in range(300):
        steps.clear()
        replace(NOTHING, jitter=1.0, brightness=0.1, contrast=0.1, saturation=0.1, hue=0.1)(
            photo[:, :4, :4], generator_for(key)
        )
        orders.add(tuple(steps))
    assert orders == set(itertools.permutations(["Brightness", "Contrast", "Color", "hue"]))


@pytest.mark.parametrize("distortion", [SIMCLR, BYOL_FIRST, BYOL_SECOND, LEJEPA, NOTHING])
def test_a_picture_is_a_function_of_the_generator_and_draws_are_as_many_whatever_happens(photo, distortion):
    first, second = generator_for(7), generator_for(7)
    assert torch.equal(distortion(photo, first), distortion(photo, second))
    NOTHING(photo, third := generator_for(7))
    assert torch.equal(first.get_state(), third.get_state())


def test_gray_pictures_stay_gray_and_have_no_color_to_change(photo):
    gray = recolor(photo, 1)
    for key in range(30):
        assert SIMCLR(gray, generator_for(key)).shape == gray.shape
        colors = replace(NOTHING, jitter=1.0, saturation=0.8, hue=0.2, gray=1.0)
        assert torch.equal(colors(gray, generator_for(key)), gray)
    light = replace(NOTHING, jitter=1.0, brightness=0.4, contrast=0.4)
    assert not torch.equal(light(gray, generator_for(0)), gray)


def test_what_it_is_given_is_not_changed(photo):
    before = photo.clone()
    for key in range(10):
        SIMCLR(photo, generator_for(key))
        SIMCLR(recolor(photo, 1).expand(3, -1, -1), generator_for(key))
    assert torch.equal(photo, before)


def test_changes_says_whether_anything_can_happen():
    assert not NOTHING.changes
    assert not replace(NOTHING, jitter=1.0).changes
    assert not replace(NOTHING, blur=1.0, sigma=(0.0, 0.0)).changes
    assert replace(NOTHING, jitter=0.1, hue=0.1).changes
    assert replace(NOTHING, solarize=0.1).changes


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"jitter": 1.5}, "jitter is a share of the pictures in"),
        ({"solarize": -0.1}, "solarize is a share of the pictures in"),
        ({"contrast": -1.0}, "contrast is how far its factor may be from 1"),
        ({"hue": 0.7}, "hue is a share of a circle"),
        ({"sigma": (2.0, 1.0)}, "sigma is a range of pixels, smaller first"),
    ],
)
def test_wrong_numbers_give_a_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        Distortion(**wrong)
