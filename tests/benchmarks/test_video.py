"""Cells of what is learnt from videos: the claims that were asked for, and equal compute."""

import pytest

from benchmarks import video

ASKED = (
    *("vjepa.motion.attentive", "random_init.motion.attentive", "raw.motion.linear", "frames.motion.attentive"),
    *("videomae.motion.attentive", "vjepa.images.attentive", "ijepa.images.attentive", "random_init.images.attentive"),
    *(f"vjepa.ablation.masks.{masks}" for masks in ("multiblock", "random_tube", "causal")),
    *(f"vjepa.ablation.rectangular.{way}" for way in ("first", "random", "pad")),
    *(f"efficiency.vjepa_over_videomae.{cost}" for cost in ("seconds", "flop", "samples")),
    "vjepa.ablation.short_long",
)


def test_every_claim_has_a_cell_for_each_seed():
    cells = video.cells().values()
    for claim in ASKED:
        seeds = sorted(cell.seed for cell in cells if claim in cell.claims)
        assert seeds == ([0] if claim.startswith("raw") else [0, 1, 2])


def test_trainings_take_as_many_operations_as_that_of_vjepa():
    runs = {name: cell.run for name, cell in video.cells().items() if "ablation" not in name}
    budget = video.STEPS * video.BATCH * video.operations(video.VJEPA_SMALL)
    for run in runs.values():
        assert run.steps * run.batch * video.operations(run.model) == pytest.approx(budget, rel=0.02)


def test_the_share_is_a_bound_where_one_of_both_never_arrives(monkeypatch):
    point = {"step": 5, "seconds": 1.0, "flop": 2.0, "samples": 3}
    late = {name: 4 * value for name, value in point.items()}
    curves = {
        "motion.vjepa.seed0": [point | {"score": 0.4}, late | {"score": 0.9}],
        "motion.videomae.seed0": [
            point | {"score": 0.1},
            {name: 8 * value for name, value in point.items()} | {"score": 0.2},
        ],
    }
    monkeypatch.setattr(video, "train", lambda cell: None)
    monkeypatch.setattr(video, "curve", lambda cell: curves[cell.name])
    found = video.efficiency(video.cells()["efficiency.seed0"])
    assert (found["seconds"], found["flop"], found["samples"]) == (0.5, 0.5, 0.5)
    assert found["reached"] == {"vjepa": True, "videomae": False}
    curves["motion.vjepa.seed0"].pop()
    found = video.efficiency(video.cells()["efficiency.seed0"])
    assert (found["seconds"], found["reached"]) == (None, {"vjepa": False, "videomae": False})
    curves["motion.videomae.seed0"][0]["score"] = 0.8
    found = video.efficiency(video.cells()["efficiency.seed0"])
    assert (found["seconds"], found["reached"]) == (1.0, {"vjepa": False, "videomae": True})
