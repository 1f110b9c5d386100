"""V-JEPA 2.1 learns from clips and pictures in turns, and asks each of them its own questions."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.mixture import Mixture
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family.vjepa21 import TINY, VJEPA21
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.masks.tubes import TubeMasker
from jepakit.parts.nn.position import grid
from jepakit.train.fit import fit
from jepakit.train.run import Run
from jepakit.train.stops import TooManyBroken
from jepakit.train.watch import draw_views

BATCH, STEPS = 4, 6
CLIPS = ClipTransform(sampling=Sampling(frames=4, step=1), picture=ImageTransform(size=32), still="single")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Videos, Videos]:
    """Six clips, and ten times as many pictures: a sample spread over both would hardly find a clip."""
    root, draw = tmp_path_factory.mktemp("both"), np.random.default_rng(0)
    np.save(root / "clips.npy", draw.integers(0, 256, (6, 6, 32, 32, 3), dtype=np.uint8))
    np.save(root / "pictures.npy", draw.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8))
    clips = Videos(root=str(root / "clips.npy"), transform=CLIPS)
    return clips, Videos(root=f"pictures:{root / 'pictures.npy'}", transform=CLIPS)


def train(data: Config, out: Path, steps: int = STEPS) -> MaskedJEPA:
    """A few steps with the default watch."""
    return fit(Run(model=TINY, data=data, steps=steps, batch=BATCH, log_every=1, workers=0, threads=1, sinks=()), out)


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def begin(model: VJEPA21) -> MaskedJEPA:
    """As a run of seed 0 does."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model.build()


def test_clips_and_pictures_are_learnt_in_turns_under_the_watch(sources, tmp_path):
    mixture = Mixture(sources=sources, weights=(0.5, 0.5), together=BATCH, size=STEPS * BATCH)
    views = draw_views(mixture.build(), 64, 4)
    assert views.shape == (4, 6, 3, 4, 32, 32), "meters are read on the clips, which come first"
    trained = train(mixture, tmp_path / "run")
    log = lines(tmp_path / "run" / "metrics.jsonl")
    assert [line["step"] for line in log if "watch" in line] == [1, STEPS]
    steps = [line for line in log if "loss" in line]
    assert len(steps) == STEPS
    assert all(np.isfinite(line["loss"]) for line in steps)
    assert steps[-1]["broken"] == steps[-1]["skipped"] == 0
    tokenizer, fresh = trained.backbone.tokenizer, begin(TINY).backbone.tokenizer
    for ours, before in ((tokenizer.video, fresh.video), (tokenizer.image, fresh.image)):
        assert not torch.equal(ours.projection.weight, before.projection.weight), "both kinds were learnt from"


def test_a_picture_among_clips_is_named_and_does_not_end_the_run(tmp_path):
    """It fits into no batch of clips; shown for the whole clip it does."""
    folder, draw = tmp_path / "mixed", np.random.default_rng(0)
    for video, frames in enumerate([6, 6, 1, *[6] * 9]):
        (folder / f"video{video}").mkdir(parents=True)
        for frame in range(frames):
            pixels = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"video{video}" / f"{frame}.png")
    single = Videos(root=str(folder), transform=CLIPS)
    train(single, tmp_path / "run", steps=3)
    (broken,) = lines(tmp_path / "run" / "broken.jsonl")
    assert "video2" in broken["name"]
    assert "it holds x [3, 1, 32, 32] where the others of its batch hold x [3, 4, 32, 32]" in broken["reason"]
    repeated = replace(single, transform=replace(CLIPS, still="repeat"))
    train(repeated, tmp_path / "repeated", steps=3)
    assert not (tmp_path / "repeated" / "broken.jsonl").exists()


def test_a_mixture_that_forgets_to_keep_kinds_apart_is_told_to(sources, tmp_path):
    mixture = Mixture(sources=sources, weights=(0.5, 0.5), size=STEPS * BATCH)
    with pytest.raises(TooManyBroken, match="keep kinds apart: a Mixture, together=batch"):
        train(mixture, tmp_path / "run")


def test_pictures_are_asked_about_ten_blocks_and_clips_about_short_and_long_ones():
    """As released: two entries of `mask`, one of `img_mask`, which has the first mask token."""
    maskers = TINY.build().maskers
    short, long, many = (TubeMasker(count, (share, share)) for count, share in ((8, 0.15), (2, 0.7), (10, 0.15)))
    for extent, expected in (((8, 16, 16), [short, long]), ((1, 16, 16), [many])):
        asking = [masker for masker in maskers if masker.asks(extent)]
        for masker, same in zip(asking, expected, strict=True):
            drawn, wanted = (
                each(grid(extent).expand(3, -1, -1), extent, torch.Generator().manual_seed(7), Rows(0, 3, 3))
                for each in (masker, same)
            )
            assert torch.equal(drawn.context, wanted.context)
            assert torch.equal(drawn.targets, wanted.targets)
    with pytest.raises(ValueError, match="of clips alone"):
        maskers[1](grid((1, 4, 4)).unsqueeze(0), (1, 4, 4), torch.Generator(), Rows(0, 1, 1))


@pytest.mark.parametrize(("frames", "questions"), [(4, 2), (1, 1)])
def test_a_picture_is_seen_and_predicted_once(frames: int, questions: int) -> None:
    method, asked = TINY.build(), []
    method.predictor.register_forward_hook(lambda module, inputs, output: asked.append(inputs[2]))
    losses = method({"x": torch.randn(3, 3, frames, 32, 32)}, step_at(0, 1, Rows(0, 3, 3)))
    losses.total.backward()
    assert asked == list(range(questions))
    learnt = method.predictor.mask_tokens.grad.flatten(1).any(dim=1)
    assert learnt.tolist() == [token < questions for token in range(TINY.mask_tokens)]


def test_what_pictures_are_asked_can_be_chosen():
    first, _ = replace(TINY, picture_blocks=(1, 0.3)).build().maskers
    split = first(grid((1, 8, 8)).expand(2, -1, -1), (1, 8, 8), torch.Generator().manual_seed(0), Rows(0, 2, 2))
    assert split.targets.shape[1] == 1
    assert 15 <= split.targets.shape[2] <= 20, "a block over three tenths of 64 places"
