"""Measurements interleave their sides, ratios are taken round by round, and a record can be traced."""

import json
import subprocess
import time

import pytest
import torch

from benchmarks import record as recording
from benchmarks.record import control_holds, interleave, ratio, record


def test_sides_take_turns_in_a_rotating_order():
    calls: list[str] = []
    sides = {name: (lambda name=name: calls.append(name)) for name in "abc"}
    seconds = interleave(sides, rounds=3, warmup=1)
    assert [len(times) for times in seconds.values()] == [3, 3, 3]
    rounds = ["".join(calls[start : start + 3]) for start in range(0, 12, 3)]
    assert rounds[1:] == ["abc", "bca", "cab"]
    assert sorted(rounds[0]) == ["a", "b", "c"]


def test_seconds_are_those_of_the_side():
    seconds = interleave({"slow": lambda: time.sleep(0.02), "fast": lambda: None}, rounds=2)
    assert min(seconds["slow"]) >= 0.02
    assert max(seconds["fast"]) < 0.02


def test_a_ratio_is_taken_round_by_round():
    found = ratio([2.0, 4.0, 60.0], [1.0, 2.0, 3.0])
    assert found["value"] == 2.0
    assert found["n"] == 3
    assert found["low"] == pytest.approx(2.0)
    assert found["high"] == pytest.approx(float(torch.quantile(torch.tensor([2.0, 2.0, 20.0]), 0.95)))
    with pytest.raises(ValueError, match="equal length"):
        ratio([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("value", "holds"), [(1.0, True), (0.975, True), (1.029, True), (0.96, False), (1.04, False)])
def test_a_control_holds_within_three_percent(value, holds):
    assert control_holds({"value": value}) is holds


def test_a_record_names_its_origin(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "ROOT", tmp_path)
    path = record("thing", {"ratio": 2})
    body = json.loads(path.read_text())
    assert path == tmp_path / "results" / "benchmarks" / "thing.json"
    assert body["ratio"] == 2
    assert body["machine"]["torch"] == torch.__version__
    assert body["machine"]["cores"] >= 1
    assert {"command", "git", "date"} <= body.keys()
    assert str(tmp_path) not in path.read_text()


def test_new_results_do_not_make_the_code_another_one(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=b", *words], cwd=tmp_path, check=True)

    (tmp_path / "results").mkdir()
    code, result = tmp_path / "code.py", tmp_path / "results" / "a.json"
    for path in (code, result):
        path.write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    monkeypatch.setattr(recording, "ROOT", tmp_path)
    result.write_text("2")
    assert len(recording._revision()) == 12
    code.write_text("2")
    assert recording._revision().endswith("-dirty")
