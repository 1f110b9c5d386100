"""Cells of anticipation: the claims that were asked for, and one that is run as it is, on sizes of nothing."""

import json
from dataclasses import replace

import pytest

from benchmarks import anticipation, cells
from jepakit.data.kitchen import KitchenVideos
from jepakit.data.videos import Videos
from jepakit.train.watch import Watch


def test_every_claim_has_a_cell_for_each_seed():
    found = anticipation.cells().values()
    for claim, seeds in (
        *((name, [0, 1, 2]) for name in ("recall5", "encoder_only", "predictor_only", "random_init")),
        *((name, [0]) for name in ("prior", "last_action")),
    ):
        assert sorted(cell.seed for cell in found if f"anticipation.{claim}" in cell.claims) == seeds


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Ten videos, a network of two steps, and heads of two."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(anticipation, "ROOT", tmp_path)
    monkeypatch.setattr(anticipation, "KITCHEN", KitchenVideos(train=6, validation=4, seconds=10))
    monkeypatch.setattr(anticipation, "PROBE", replace(anticipation.PROBE, steps=2, batch=8))
    clip = anticipation.CLIP
    clip = replace(clip, sampling=replace(clip.sampling, frames=4), picture=replace(clip.picture, size=32))
    monkeypatch.setattr(anticipation, "ACTIONS", replace(anticipation.ACTIONS, transform=clip))
    model = replace(anticipation.VJEPA2_SMALL, frames=4, image=(32, 32), dim=24, depth=1, heads=3, predictor_dim=24)
    data = Videos(root=anticipation.VIDEO.root, transform=clip)
    watch = Watch(samples=4, views=2)
    return replace(
        anticipation.RUN, model=model, data=data, steps=2, batch=2, workers=0, threads=1, sinks=(), watch=watch
    )


@pytest.mark.parametrize("name", ["vjepa2", "random_init", "baselines"])
def test_a_cell_measures_what_it_claims(small, name):
    cell = replace(anticipation.cells()[f"anticipation.{name}.seed0"], run=small)
    found = cell.measure(cell)
    assert all(0 <= found[figure] <= 1 for figure in cell.claims.values())
    cells.write(cell, found, "python -m benchmarks.anticipation")
    body = json.loads(cells.path_of(cell).read_text())
    assert body["unit"] == "class-mean recall@5"
    assert body["claims"].keys() == cell.claims.keys()
    if name != "baselines":
        assert "action recall@5 2.0 seconds before" in body["rows"][0]["others"]
        assert body["rows"][0]["splits"]["test"] > 0
