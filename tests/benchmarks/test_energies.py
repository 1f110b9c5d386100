"""Cells of energies: whose training is judged, and that a model is judged without training it twice."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import cells, energies
from jepakit.data.transforms import ImageTransform
from jepakit.family import lvjepa, pldm, vjepa


def test_every_member_has_a_cell_for_each_seed_with_the_run_of_its_training():
    found = energies.cells()
    for member in energies.MEMBERS:
        for seed in (0, 1, 2):
            cell = found[f"energy.{member}.seed{seed}"]
            assert cell.claims == {f"energy.{member}.{figure}": figure for figure in ("auroc", "retrieval")}
            assert (cell.run.seed, cell.seed) == (seed, seed)
            assert energies.trained_as(cell) == f"{energies.MEMBERS[member]}.seed{seed}"
    measured = {name: suite.cells() for name, suite in (("motion", energies.video), ("dense", energies.dense))}
    assert found["energy.vjepa.seed1"].run == measured["motion"]["motion.vjepa.seed1"].run
    assert found["energy.vjepa21.seed2"].run == measured["dense"]["dense.vjepa21.seed2"].run


@pytest.mark.parametrize("member", ["vjepa", "lvjepa"])
def test_a_training_that_is_there_is_judged_and_not_repeated(member, tmp_path, monkeypatch):
    """A masked model of clips, and one with a latent variable, on clips of 16 pixels."""
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(energies, "SAMPLES", 20)
    cell = energies.cells()[f"energy.{member}.seed0"]
    tiny = {"vjepa": vjepa.TINY, "lvjepa": lvjepa.TINY}[member]
    clip = replace(cell.run.data.transform, picture=ImageTransform(size=16))
    clip = replace(clip, sampling=replace(clip.sampling, frames=4), tubelet=2)
    data = replace(cell.run.data, train=20, validation=8, test=24, transform=clip)
    run = replace(cell.run, model=replace(tiny, image=(16, 16), initialization="fan_in"), data=data, steps=2, batch=4,
                  watch=replace(cell.run.watch, samples=4, views=2), sinks=(), workers=0, log_every=1)  # fmt: skip
    small = replace(cell, run=run)
    cells.write(small, small.measure(small), "python -m benchmarks.energies")
    written = json.loads(cells.path_of(cell).read_text())
    assert written["claims"].keys() == {f"energy.{member}.auroc", f"energy.{member}.retrieval"}
    assert all(0 <= value <= 1 for value in written["claims"].values())
    folder = cells.folder_of(replace(cell, name=energies.trained_as(cell)))
    trained = (folder / "metrics.jsonl").read_bytes()
    again = small.measure(small)
    assert (folder / "metrics.jsonl").read_bytes() == trained
    assert {name: again[name] for name in ("auroc", "retrieval")} == {
        figure: written["claims"][claim] for claim, figure in cell.claims.items()
    }


def test_windows_of_a_world_model_are_judged_by_what_follows_their_first_frame():
    torch.manual_seed(0)
    clips = torch.randn(18, *pldm.TINY.samples[0])
    found = energies.judge_windows(pldm.TINY.build().eval(), clips)
    assert 0 <= found["retrieval"] <= found["auroc"] <= 1
