import json
from dataclasses import replace

import pytest

from jepakit.app.report.record import read_lines, read_record


def test_the_half_line_of_a_killed_run_is_passed_over(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"ste')
    assert read_lines(tmp_path / "metrics.jsonl") == [{"step": 1}, {"step": 2}]


def test_a_record_sorts_the_lines_and_knows_the_plan(finished_run):
    record = read_record(finished_run)
    assert (record.steps, record.done, record.model, record.recipe) == (12, 12, "I-JEPA", None)
    assert [line["step"] for line in record.readings] == [1, 3, 6, 9, 12]
    assert [line["step"] for line in record.online] == [6, 12]
    assert len(record.log) == 12
    assert [result.subject for result in record.results] == ["I-JEPA", "random init", "raw pixels"]


def test_the_limit_of_the_alarm_follows_the_highest_rank_so_far(finished_run):
    record = read_record(finished_run)
    ranks = [line["watch"]["rank_me"] for line in record.readings]
    assert record.limits() == [max(0.25 * max(ranks[: place + 1]), 2.0) for place in range(len(ranks))]


def test_compute_is_averaged_over_the_logged_steps_that_know_it(finished_run):
    record = read_record(finished_run)
    logged = [line["metrics"]["gflops"] for line in record.log]
    assert record.flop_of_a_step == pytest.approx(1e9 * sum(logged) / len(logged))
    assert record.flop_of_a_step > 0
    silent = tuple({**line, "metrics": {}} for line in record.log)
    assert replace(record, log=silent).flop_of_a_step is None


def test_the_recipe_is_read_from_the_command(finished_run, tmp_path):
    told = json.loads((finished_run / "run.json").read_text())
    told["starts"][0]["command"] = "jepakit train images:demo --out runs/demo"
    (tmp_path / "run.json").write_text(json.dumps(told))
    assert read_record(tmp_path).recipe == "images:demo"


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_run_file_is_one_sentence(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match="cannot be read as a run"):
        read_record(tmp_path)
