"""Recipes on videos state the published numbers, and their schedules really end where they say."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.data.mixture import Mixture
from jepakit.data.videos import Videos
from jepakit.recipes import videos
from jepakit.recipes.find import find
from jepakit.schedules import linear
from jepakit.train.run import Run

VJEPA = {
    "vjepa_vitl16_videomix2m": (3072, 224, 1024, 24), "vjepa_vith16_videomix2m": (3072, 224, 1280, 32),
    "vjepa_vith16_384_videomix2m": (2400, 384, 1280, 32),
}  # fmt: skip
VJEPA2 = {
    "vjepa2_vitl16": (256, 1024, 24), "vjepa2_vith16": (256, 1280, 32), "vjepa2_vitg16": (256, 1408, 40),
    "vjepa2_vitg16_384": (384, 1408, 40),
}  # fmt: skip
VJEPA21 = {"vjepa21_vitl16": (1024, 24), "vjepa21_vitg16": (1408, 40), "vjepa21_gigantic16": (1664, 48)}
TINY = ("vjepa_tiny", "vjepa2_tiny", "vjepa21_tiny", "videomae_tiny")


def recipe(name: str) -> Run:
    return find(f"videos:{name}")()


def clips(data: Config) -> list[tuple[str, int, int, str]]:
    """The root, frames, pixels and stills of each source."""
    sources = data.sources if isinstance(data, Mixture) else (data,)
    return [
        (source.root, source.transform.sampling.frames, source.transform.picture.size, source.transform.still)
        for source in sources
        if isinstance(source, Videos)
    ]


def begins(run: Run) -> list[int]:
    """The step at which each stage begins, as the engine counts."""
    return [round(stage.begins * run.steps) for stage in run.stages]


@pytest.mark.parametrize(("name", "numbers"), VJEPA.items())
def test_vjepa_is_a_run_of_112500_steps_that_is_cut_at_90000(name: str, numbers: tuple[int, ...]) -> None:
    """2404.08471 and the released files: 300 epochs of 300 steps, schedules 1.25 times as long."""
    run = recipe(name)
    batch, size, dim, depth = numbers
    rate, decay = run.optimizer.rates(), run.optimizer.decays()
    assert (run.steps, run.batch, run.clip, run.stages) == (90_000, batch, 10.0, ())
    assert run.steps * run.optimizer.horizon == 112_500
    assert rate(0.0) == pytest.approx(2e-4)
    assert rate(12_000 / 90_000) == pytest.approx(6.25e-4)
    assert rate(1.0) == pytest.approx(7.504e-5, rel=1e-4)
    assert (decay(0.0), decay(1.0)) == (pytest.approx(0.04), pytest.approx(0.3656, abs=1e-4))
    assert linear(*run.model.momentum)(1.0) == pytest.approx(linear(0.998, 1.0)(90_000 / 112_500))
    assert (run.model.dim, run.model.depth, run.model.image) == (dim, depth, (size, size))
    assert run.model.blocks == ((8, 0.15), (2, 0.7))
    assert clips(run.data) == [("videomix2m", 16, size, "repeat")]
    assert run.data.transform.sampling.step == 4
    assert (run.data.augment.scale, run.data.augment.ratio, run.data.augment.flip) == ((0.3, 1.0), (0.75, 1.35), True)


@pytest.mark.parametrize(("name", "numbers"), VJEPA2.items())
def test_vjepa2_stays_at_its_peak_and_ends_at_1e_6_on_long_clips(name: str, numbers: tuple[int, ...]) -> None:
    """2506.09985: 240,000 steps of 16 frames, then 12,000 of 64 in which the rate falls; constant decay and average."""
    run = recipe(name)
    late, dim, depth = numbers
    rate, decay = run.optimizer.rates(), run.optimizer.decays()
    assert (run.steps, run.batch, begins(run)) == (252_000, 3072, [240_000])
    assert rate(0.0) == pytest.approx(1e-4)
    for step in (12_000, 100_000, 240_000):
        assert rate(step / 252_000) == pytest.approx(5.25e-4)
    assert rate(246_000 / 252_000) == pytest.approx((5.25e-4 + 1e-6) / 2)
    assert rate(1.0) == pytest.approx(1e-6, rel=1e-9)
    assert (decay(0.0), decay(0.5), decay(1.0)) == (0.04, 0.04, 0.04)
    assert (run.model.momentum, run.model.dim, run.model.depth, run.model.mask_tokens) == (0.99925, dim, depth, 10)
    assert {each[1:] for each in clips(run.data)} == {(16, 256, "repeat")}
    assert {each[1:] for each in clips(run.stages[0].data)} == {(64, late, "repeat")}


@pytest.mark.parametrize("name", VJEPA2)
def test_vjepa2_learns_from_videos_and_a_quarter_of_pictures(name: str) -> None:
    """VideoMix22M; clips are taken at 4 frames a second, and a picture needs no clock."""
    run = recipe(name)
    for data in (run.data, run.stages[0].data):
        assert isinstance(data, Mixture)
        assert data.weights == (0.056, 0.188, 0.318, 0.188, 0.250)
        assert [root.startswith("pictures:") for root, *_ in clips(data)] == [False] * 4 + [True]
        assert {source.transform.sampling.fps for source in data.sources} == {4.0}


@pytest.mark.parametrize(("name", "numbers"), VJEPA21.items())
def test_vjepa21_takes_turns_between_clips_and_pictures(name: str, numbers: tuple[int, int]) -> None:
    """2603.14482: 135,000 steps at 256 pixels, 12,000 of clips at 384 and pictures at 512; half of each kind."""
    run = recipe(name)
    rate, decay = run.optimizer.rates(), run.optimizer.decays()
    assert (run.steps, run.batch, begins(run)) == (147_000, 3072, [135_000])
    assert (rate(0.0), rate(135_000 / 147_000)) == (pytest.approx(1e-4), pytest.approx(5.25e-4))
    assert rate(1.0) == pytest.approx(1e-6, rel=1e-9)
    assert (decay(0.0), decay(1.0)) == (0.04, 0.04)
    assert (run.model.dim, run.model.depth) == numbers
    assert (run.model.momentum, run.model.mask_tokens, run.model.predictor_depth) == (0.99925, 8, 24)
    assert (run.model.context_share, run.model.picture_blocks) == (0.5, (10, 0.15))
    assert [round(share * run.steps) for share in run.model.context_ramp] == [15_000, 30_000]
    for data, clip, picture in ((run.data, 256, 256), (run.stages[0].data, 384, 512)):
        assert data.together == run.batch
        assert data.weights == pytest.approx((0.085, 0.005, 0.05, 0.36, 0.5))
        assert [each[2:] for each in clips(data)] == [(clip, "single")] * 4 + [(picture, "single")]
        assert clips(data)[-1][0].startswith("pictures:")


@pytest.mark.parametrize("mix", [videos.VIDEOMIX22M, videos.VISIONMIX163M])
def test_the_shares_of_a_mix_are_all_there_is(mix: dict[str, float]) -> None:
    assert math.fsum(mix.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "shape"), [("vjepa2_vitl16", (3, 16, 256, 256)), ("vjepa21_vitl16", (3, 1, 256, 256))]
)
def test_pictures_of_a_mix_need_no_clock(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    root = tmp_path / "pictures.npy"
    np.save(root, np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), dtype=np.uint8))
    pictures = replace(recipe(name).data.sources[-1], root=f"pictures:{root}")
    assert pictures.build().get(0, 0, 0)["x"].shape == shape
    assert shape in recipe(name).model.samples


@pytest.mark.parametrize("name", TINY)
def test_small_models_learn_from_own_videos(name: str, tmp_path: Path) -> None:
    """A step on their data as it comes; they are about as large, and trained alike but for the rate."""
    run, first = recipe(name), recipe(TINY[0])
    assert run == replace(first, model=run.model, optimizer=replace(first.optimizer, peak=run.optimizer.peak))
    root = tmp_path / "clips.npy"
    np.save(root, np.random.default_rng(0).integers(0, 256, (2, 20, 48, 64, 3), dtype=np.uint8))
    dataset = replace(run.data, root=str(root)).build()
    batch = {"x": torch.stack([dataset.get(index, 0, 0)["x"] for index in range(2)])}
    assert batch["x"].shape[1:] == run.model.samples[0] == (3, 16, 64, 64)
    method = run.model.build()
    loss = method(batch, step_at(0, run.steps, Rows(0, 2, 2))).total
    loss.backward()
    assert 0.1 < float(loss.detach()) < 10
    learning = sum(parameter.numel() for parameter in method.parameters() if parameter.grad is not None)
    assert 1.5e6 < learning < 3e6
