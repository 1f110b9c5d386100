"""V-JEPA 2 learns from short clips and then from long and larger ones, with one table of angles for each grid."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family.vjepa2 import TINY
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.nn.position import Rotary
from jepakit.train.fit import fit
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run, Stage
from jepakit.train.watch import Watch


def count_tables(monkeypatch) -> Counter:
    """How often each Rotary computes the angles of each grid from now on."""
    made, compute = Counter(), Rotary._table

    def counting(self, places, extent):
        made[id(self), extent] += 1
        return compute(self, places, extent)

    monkeypatch.setattr(Rotary, "_table", counting)
    return made


def test_angles_are_computed_once_for_a_grid_and_not_in_each_block(monkeypatch):
    """However many blocks, mask tokens, batches and steps there are."""
    made, method = count_tables(monkeypatch), TINY.build()
    assert TINY.depth > 1
    for frames, size, steps in ((4, 32, 3), (8, 48, 2), (4, 32, 2)):
        for step in range(steps):
            x = torch.randn(2, 3, frames, size, size)
            method({"x": x}, step_at(step, steps, Rows(0, 2, 2))).total.backward()
    rotaries = {id(module) for module in method.modules() if isinstance(module, Rotary)}
    assert len(rotaries) == 3, "of the backbone, its average and the predictor"
    assert made == {(rotary, extent): 1 for rotary in rotaries for extent in ((2, 4, 4), (4, 6, 6))}


def test_short_small_clips_and_then_long_large_ones_are_one_run(tmp_path, monkeypatch):
    """The rate is constant before, and falls to the published end in the second stage; a stop between loses nothing."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (12, 10, 48, 48, 3), dtype=np.uint8))
    short, long = (
        Videos(
            root=str(tmp_path / "x.npy"),
            transform=ClipTransform(sampling=Sampling(frames=frames, step=1), picture=ImageTransform(size=size)),
        )
        for frames, size in ((4, 32), (8, 48))
    )
    run = Run(
        model=TINY, data=short, stages=(Stage(begins=0.5, data=long),), steps=6, batch=2, workers=0, threads=1,
        optimizer=AdamW(start=1e-4, peak=5.25e-4, end=1e-6, warmup=0.2, decay=(0.04, 0.04), cooldown=0.5),
        keep=Keep(every=3, forever=3), watch=Watch(action="off"), log_every=1, sinks=(),
    )  # fmt: skip
    seen, forward = [], MaskedJEPA.forward
    monkeypatch.setattr(
        MaskedJEPA, "forward", lambda self, batch, step: seen.append(batch["x"].shape) or forward(self, batch, step)
    )
    whole = fit(run, tmp_path / "run")
    assert seen == [(2, 3, 4, 32, 32)] * 3 + [(2, 3, 8, 48, 48)] * 3
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    rates = [line["rate"] for line in steps]
    assert rates[2] == 5.25e-4
    assert rates[2] > rates[3] > rates[4] > rates[5]
    assert rates[5] == pytest.approx(1e-6)
    assert np.isfinite([line["loss"] for line in steps]).all()
    shutil.rmtree(tmp_path / "run" / "step-00000006")
    again = fit(run, tmp_path / "run", resume=True)
    assert seen[6:] == [(2, 3, 8, 48, 48)] * 3
    for name, value in again.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name
