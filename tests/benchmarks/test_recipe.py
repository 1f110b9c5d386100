"""Recipes are the same where the same is learnt: seeds, folders, threads and old files make no difference, rates do."""

import json
from dataclasses import replace

import pytest

from benchmarks import cells, recipe
from benchmarks.suites import SUITES
from jepakit.data.images import Images
from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories
from jepakit.data.transforms import ImageTransform
from jepakit.family.ijepa import IJEPA
from jepakit.train.run import Keep, Run

RUN = Run(model=IJEPA(), data=Images(root="packaged:emoji"), steps=5)
FASTER = replace(RUN, optimizer=replace(RUN.optimizer, peak=0.5))


def raw(run: Run, **body):
    return {"run": json.loads(json.dumps(run.to_json())), "seed": run.seed, "flops": 7, **body}


def test_how_a_run_is_carried_out_makes_no_difference():
    done = replace(RUN, seed=2, threads=1, sinks=(), workers=3, keep=Keep(every=7), log_every=3)
    assert recipe.recipe_of(raw(done)) == recipe.recipe_of(raw(RUN))
    assert not recipe.is_stale(raw(done), RUN)


@pytest.mark.parametrize(
    "other",
    [
        FASTER,
        replace(RUN, steps=6),
        replace(RUN, batch=8),
        replace(RUN, model=replace(RUN.model, depth=1)),
        replace(RUN, data=Images(root="packaged:openclipart")),
    ],
    ids=("rate", "steps", "batch", "model", "data"),
)
def test_what_is_learnt_makes_a_difference(other):
    assert recipe.is_stale(raw(other), RUN)


def test_a_file_without_a_later_field_is_not_stale():
    old = raw(RUN)
    del old["run"]["stages"], old["run"]["model"]["sigreg"]
    assert not recipe.is_stale(old, RUN)


def test_a_file_that_nobody_can_read_any_more_is_stale():
    old = raw(RUN)
    old["run"]["model"]["temperature"] = 0.1
    assert recipe.is_stale(old, RUN)


def test_a_seed_in_the_name_of_a_folder_is_the_seed():
    def stage(seed: int, folder: str) -> Run:
        trajectories = Trajectories(root="runs/rooms", transform=ImageTransform(size=64))
        return replace(RUN, seed=seed, data=Latents(trajectories=trajectories, folder=folder))

    first, second = (raw(stage(seed, f"runs/good_data.seed{seed}")) for seed in (1, 2))
    assert recipe.recipe_of(first) == recipe.recipe_of(second)
    assert recipe.is_stale(first, stage(1, "runs/poor_data.seed1"))
    assert recipe.is_stale(first, stage(1, "runs/good_data.seed12"))


def test_of_a_network_that_was_never_trained_only_itself_and_its_data_count():
    asked = replace(FASTER, model=replace(RUN.model, momentum=(0.5, 1.0), masks="random"))
    assert not recipe.is_stale(raw(asked, flops=0), RUN)
    assert recipe.is_stale(raw(asked, flops=0, mark=0.8), RUN), "what compares trainings has a mark"
    assert recipe.is_stale(raw(replace(RUN, model=replace(RUN.model, depth=1)), flops=0), RUN)


def test_another_mark_is_another_recipe():
    assert recipe.recipe_of(raw(RUN, mark=0.5)) != recipe.recipe_of(raw(RUN, mark=0.8))


def test_a_folder_holds_another_training_if_its_recipe_or_seed_differs(tmp_path):
    assert not recipe.holds_other(tmp_path, RUN)
    (tmp_path / "run.json").write_text(json.dumps({"run": replace(RUN, threads=1).to_json()}))
    assert not recipe.holds_other(tmp_path, RUN)
    assert recipe.holds_other(tmp_path, FASTER)
    assert recipe.holds_other(tmp_path, replace(RUN, seed=3))


def test_seeds_of_a_claim_have_one_recipe_and_are_not_stale_when_they_are_written():
    found: dict[str, set[str]] = {}
    for cell in (cell for suite in SUITES for cell in suite.cells().values()):
        assert not recipe.is_stale(raw(cell.run), cell.run)
        for claim in cell.claims:
            found.setdefault(claim, set()).add(recipe.recipe_of(raw(cell.run)))
    assert [claim for claim, recipes in found.items() if len(recipes) > 1] == []


def test_what_another_recipe_left_is_removed_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    out = tmp_path / "runs" / "learning" / "a"
    out.mkdir(parents=True)
    (out / "run.json").write_text(json.dumps({"run": RUN.to_json()}))
    cells.clear_other(out, RUN)
    assert out.exists()
    cells.clear_other(out, FASTER)
    assert not out.exists()
