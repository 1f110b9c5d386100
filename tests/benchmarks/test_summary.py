"""Claims are put together from raw files alone: means over seeds, intervals, FLOP, and where they come from."""

import json
from dataclasses import replace

import pytest

from benchmarks import summary
from jepakit.data.images import Images
from jepakit.family.ijepa import IJEPA
from jepakit.train.run import Run

RUN = Run(model=IJEPA(), data=Images(root="packaged:emoji"), steps=5)
ORIGIN = {"git": "abc", "machine": {"cpu": "a chip", "cores": 2}, "date": "2026-01-01T00:00:00+00:00"}


def write(folder, name, **body):
    whole = {"unit": "accuracy", "seed": 0, "flops": 0, "run": RUN.to_json(), **ORIGIN, **body}
    (folder / f"{name}.json").write_text(json.dumps({**whole, "command": f"python -m benchmarks.learning {name}"}))


def test_seeds_are_put_together(tmp_path):
    for seed, value in enumerate((0.80, 0.82, 0.84)):
        revision = "abc" if seed else "old"
        write(tmp_path, f"a.ijepa.seed{seed}", seed=seed, claims={"a.ijepa.knn": value}, flops=10 + seed, git=revision)
    claim = summary.learning_claims(tmp_path)["a.ijepa.knn"]
    assert claim["value"] == pytest.approx(0.82)
    assert claim["high"] - claim["value"] == pytest.approx(4.303 * 0.02 / 3**0.5, rel=1e-3)  # t of 2 degrees of freedom
    assert (claim["n"], claim["seeds"], claim["flops"]) == (3, [0, 1, 2], 11)
    assert claim["command"] == "python -m benchmarks.learning a.ijepa.seed"
    assert claim["git"] == "abc, old"


def test_seeds_of_two_recipes_are_never_averaged(tmp_path, monkeypatch, capsys):
    learning = tmp_path / "learning"
    learning.mkdir()
    older = replace(RUN, optimizer=replace(RUN.optimizer, peak=0.5))
    write(learning, "a.seed0", seed=0, claims={"a.knn": 0.2}, flops=7, run=older.to_json())
    for seed, value in ((1, 0.8), (2, 0.9)):
        run = replace(RUN, seed=seed, threads=1, sinks=())
        write(learning, f"a.seed{seed}", seed=seed, claims={"a.knn": value}, flops=7, run=run.to_json(), date="2026-02")
    monkeypatch.setattr(summary, "RESULTS", tmp_path)
    monkeypatch.setattr(summary, "ROOT", tmp_path)
    summary.main()
    claim = json.loads((tmp_path / "summary.json").read_text())["a.knn"]
    assert (claim["low"], claim["high"], claim["seeds"]) == (0.8, 0.9, [1, 2])
    assert claim["left_out"] == ["a.seed0.json"]
    loud = capsys.readouterr().err
    assert "LEFT OUT" in loud
    assert "a.seed0.json" in loud


def test_a_mark_that_no_seed_reached_is_told(tmp_path):
    body = {"mark": 0.8, "reached": {"ours": False, "theirs": False}, "unit": "times"}
    write(tmp_path, "price.seed0", claims={"price": None}, **body)
    claim = summary.learning_claims(tmp_path)["price"]
    assert (claim["value"], claim["bound"], claim["n"]) == (None, "not reached", 1)


def test_one_seed_has_no_interval(tmp_path):
    write(tmp_path, "a.raw.seed0", claims={"a.raw.knn": 0.5})
    claim = summary.learning_claims(tmp_path)["a.raw.knn"]
    assert (claim["value"], claim["low"], claim["high"], claim["n"]) == (0.5, 0.5, 0.5, 1)
    assert claim["command"] == "python -m benchmarks.learning a.raw.seed0"


def test_each_claim_of_a_file_may_have_its_own_flops(tmp_path):
    claims = {"a.supervised.full": 0.9, "a.supervised.lowshot1": 0.6}
    write(tmp_path, "a.supervised.seed0", claims=claims, flops={"a.supervised.full": 70, "a.supervised.lowshot1": 30})
    found = summary.learning_claims(tmp_path)
    assert {name: claim["flops"] for name, claim in found.items()} == {
        "a.supervised.full": 70,
        "a.supervised.lowshot1": 30,
    }


def test_each_claim_of_a_file_may_have_its_own_unit(tmp_path):
    units = {"a.miou": "share", "a.rmse": "RMSE"}
    write(tmp_path, "a.seed0", claims={"a.miou": 0.5, "a.rmse": 1.1}, unit=units, collapsed=None)
    assert {name: claim["unit"] for name, claim in summary.learning_claims(tmp_path).items()} == units
    assert summary.alarm_claims(tmp_path)["collapse.false_alarms"]["n"] == 1


def test_the_alarm_is_judged_by_what_runs_were_meant_to_do(tmp_path):
    write(tmp_path, "a.ijepa.seed0", claims={}, collapsed=None)
    write(tmp_path, "a.ijepa.seed1", claims={}, collapsed="the rank fell")
    write(tmp_path, "collapse.shared.seed0", claims={}, collapsed=None, unit="effective rank")
    write(tmp_path, "a.raw.seed0", claims={})
    found = summary.alarm_claims(tmp_path)
    assert found["collapse.false_alarms"]["value"] == 0.5
    assert found["collapse.false_alarms"]["n"] == 2
    assert found["collapse.misses"]["value"] == 1
    assert found["collapse.misses"]["command"] == "python -m benchmarks.learning"


def test_claims_of_benchmarks_stand_as_they_are(tmp_path):
    claim = {"value": 2.0, "low": 1.9, "high": 2.1, "n": 9, "unit": "times"}
    write(tmp_path, "speed", claims={"speed.thing": claim})
    found = summary.benchmark_claims(tmp_path)["speed.thing"]
    assert claim.items() <= found.items()
    assert found["git"] == "abc"
