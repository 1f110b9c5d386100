"""The report as a user gets it: whole, in one file, honest about what is missing, safe whatever files are called."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from outline import Outline

from jepakit import cli
from jepakit.app.report.page import write_report

STRANGER = """
from dataclasses import dataclass

from jepakit.family.ijepa import IJEPA


@dataclass(frozen=True, kw_only=True)
class Strangers(IJEPA):
    pass
"""
SECTIONS = ("probes", "collapse", "health", "features", "neighbors", "masks", "training", "origin")


@pytest.fixture(scope="module")
def page(finished_run, tmp_path_factory) -> str:
    return write_report(finished_run, tmp_path_factory.mktemp("page") / "report.html").read_text()


@pytest.fixture
def copied(finished_run, tmp_path) -> Path:
    return shutil.copytree(finished_run, tmp_path / "run")


def report(folder: Path) -> str:
    return write_report(folder, folder / "report.html").read_text()


def test_a_report_is_well_formed_and_needs_nothing_but_itself(page):
    outline = Outline(page)
    assert [name for name in outline.ids if name in SECTIONS] == list(SECTIONS)
    assert all(source.startswith(("data:image/", "#")) for source in outline.sources)
    assert not re.search(r"https?://|@import|url\(", page)
    assert outline.without_alt == []
    assert sum(source.startswith("data:") for source in outline.sources) > 50


def test_every_figure_of_the_run_is_in_the_report(page, finished_run):
    lines = [json.loads(line) for line in (finished_run / "metrics.jsonl").read_text().splitlines()]
    loss = next(line["loss"] for line in reversed(lines) if "loss" in line)
    assert f"<output>{loss:.3g}</output>" in page
    for row in json.loads((finished_run / "probes.json").read_text()):
        assert (
            f"<b>{100 * row['value']:.1f}</b> <small>{100 * row['low']:.1f} to {100 * row['high']:.1f}</small>" in page
        )
    assert page.count('class="dot"') == 3
    run = json.loads((finished_run / "run.json").read_text())
    assert run["starts"][0]["versions"]["torch"] in page
    assert run["starts"][0]["machine"]["cpu"] in page
    assert "of 24" in page  # the width of the features, beside their rank
    for title in ("Effective rank (RankMe)", "LiDAR", "Spectrum of the covariance", "Momentum of the target"):
        assert title in page


def test_a_report_without_results_says_which_command_makes_them(copied):
    (copied / "probes.json").unlink()
    page = report(copied)
    assert f"jepakit probe {copied}" in page
    assert 'class="dot"' not in page
    assert "Online probe at step 12" in page


def test_a_report_without_a_checkpoint_shows_the_curves_and_says_why_there_are_no_pictures(copied):
    for folder in copied.glob("step-*"):
        shutil.rmtree(folder)
    page = report(copied)
    Outline(page)
    assert "is a run without a checkpoint yet" in page
    assert "Effective rank (RankMe)" in page
    assert "data:image/" not in page


def test_a_report_on_data_that_is_gone_says_so(copied):
    told = json.loads((copied / "run.json").read_text())
    told["run"]["data"]["root"] = "gone/pictures"
    (copied / "run.json").write_text(json.dumps(told))
    assert "there is nothing at gone/pictures" in report(copied)


def test_a_run_of_a_strangers_class_is_looked_at_when_trusted(copied, tmp_path, monkeypatch, capsys):
    (tmp_path / "stranger.py").write_text(STRANGER)
    for file in (copied / "run.json", *copied.glob("step-*/config.json")):
        file.write_text(file.read_text().replace("jepakit.family.ijepa.IJEPA", "stranger.Strangers"))
    page = report(copied)
    Outline(page)
    assert "stranger.Strangers, which is not part of jepakit" in page
    assert f"jepakit report {copied} --trusted" in page
    assert "data:image/" not in page
    assert "Effective rank (RankMe)" in page
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert cli.run(["report", str(copied), "--trusted"]) == 0
    assert "data:image/" in (copied / "report.html").read_text()
    assert cli.run(["show", str(copied)]) == 1
    assert "--trusted" in capsys.readouterr().err
    assert cli.run(["show", str(copied), "--trusted"]) == 0
    assert capsys.readouterr().out.startswith("Strangers: ")


def test_a_run_that_has_only_begun_has_a_report(copied):
    for name in ("metrics.jsonl", "probes.json"):
        (copied / name).unlink()
    page = report(copied)
    Outline(page)
    assert "Nothing was logged yet" in page
    assert f"jepakit train --resume {copied}" in page


def test_names_from_data_cannot_become_part_of_the_page(copied):
    evil = '<script>alert("x")</script>'
    broken = {"step": 1, "index": 0, "epoch": 0, "name": evil, "reason": "a & b"}
    (copied / "broken.jsonl").write_text(json.dumps(broken) + "\n")
    told = json.loads((copied / "run.json").read_text())
    told["starts"][0]["command"] = f"jepakit train {evil}"
    (copied / "run.json").write_text(json.dumps(told))
    rows = json.loads((copied / "probes.json").read_text())
    (copied / "probes.json").write_text(json.dumps([{**row, "subject": evil} for row in rows]))
    page = report(copied)
    Outline(page)
    assert evil not in page
    assert page.count("<script>") == 1
    assert "a &amp; b" in page


def test_the_command_line_writes_the_report_beside_the_run(copied, capsys):
    assert cli.run(["report", str(copied)]) == 0
    assert (copied / "report.html").read_text().startswith("<!doctype html>")
    assert str(copied / "report.html") in capsys.readouterr().out


def test_a_folder_without_a_run_gives_one_sentence(tmp_path, capsys):
    assert cli.run(["report", str(tmp_path)]) == 1
    assert "holds no run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
