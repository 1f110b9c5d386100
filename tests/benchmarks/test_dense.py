"""Cells of the dense probes: the claims that were asked for, compute that is equal, and heads that see nothing new."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import cells, dense
from jepakit.contracts import Rows, step_at
from jepakit.data.transforms import ImageTransform
from jepakit.probes.dense import Depth, Segmentation
from jepakit.probes.dense_heads import Fitting


def test_every_claim_has_its_cells():
    seeds = {}
    for name, cell in dense.cells().items():
        assert name == cell.name == f"{name.rpartition('.')[0]}.seed{cell.run.seed}"
        for claim in cell.claims:
            seeds.setdefault(claim, []).append(cell.seed)
    for subject in ("vjepa2", "vjepa21", "hidden_only", "random_init", "raw"):
        for figure in ("miou", "depth_rmse"):
            assert seeds[f"dense.{subject}.{figure}"] == ([0] if subject == "raw" else [0, 1, 2])


def test_trainings_take_equal_compute():
    """Within a hundredth: both draw the same masks from a seed, so that a few steps tell."""
    total = {}
    for name, run in dense.trainings().items():
        method, x = run.model.build(), torch.zeros(4, *run.model.samples[0])
        with torch.no_grad():
            steps = [method({"x": x}, step_at(index, 5, Rows(0, 4, 4))) for index in range(3)]
        total[name] = run.steps * sum(losses.metrics["gflops"].item() for losses in steps)
    assert total["vjepa2"] == pytest.approx(total["vjepa21"], rel=0.01)
    assert total["hidden_only"] == total["vjepa21"]


def test_networks_are_of_one_size():
    sizes = [
        sum(parameter.numel() for parameter in run.model.build().backbone.encoder.blocks.parameters())
        for run in dense.trainings().values()
    ]
    assert len(set(sizes)) == 1


def test_a_cell_trains_probes_and_is_written(tmp_path, monkeypatch):
    """All of it, on clips of 16 pixels."""
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    clip = replace(dense.CLIP, picture=ImageTransform(size=16))
    small = replace(dense.LABELED, sprites="digits", train=12, validation=6, test=6, transform=clip)
    quick = Fitting(rates=(1e-2,), steps=5)
    probes = {"miou": Segmentation(classes=dense.KINDS, fitting=quick), "depth_rmse": Depth(nearest=1.0, farthest=5.0)}
    monkeypatch.setattr(dense, "LABELED", small)
    monkeypatch.setattr(dense, "PROBES", {**probes, "depth_rmse": replace(probes["depth_rmse"], fitting=quick)})
    cell = dense.cells()["dense.vjepa21.seed0"]
    model = replace(dense.VJEPA21_SMALL, image=(16, 16), dim=32, heads=2, predictor_dim=16)
    watch = replace(cell.run.watch, samples=4, views=2)
    data = replace(dense.SCENES, sprites="digits", train=20, transform=clip)
    run = replace(cell.run, model=model, data=data, steps=2, batch=4, watch=watch, sinks=(), workers=0, log_every=1)
    cell = replace(cell, run=run)
    cells.write(cell, dense.pretrained(cell), "python -m benchmarks.dense")
    body = json.loads(cells.path_of(cell).read_text())
    assert body["claims"] == {"dense.vjepa21.miou": body["miou"], "dense.vjepa21.depth_rmse": body["depth_rmse"]}
    assert body["unit"]["dense.vjepa21.depth_rmse"] == "RMSE"
    assert body["flops"] > 0
    assert [row["probe"] for row in body["rows"]] == ["segmentation", "depth"]
    assert body["command"] == "python -m benchmarks.dense dense.vjepa21.seed0"
