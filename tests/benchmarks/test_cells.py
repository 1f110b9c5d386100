"""The command line of cells: what is done stays, what is missing or stale is run, and a list says which is which."""

import json
import sys
from dataclasses import replace

import pytest

from benchmarks import cells
from benchmarks.cells import Cell
from jepakit.data.images import Images
from jepakit.family.ijepa import IJEPA
from jepakit.train.run import Run

RUN = Run(model=IJEPA(), data=Images(root="packaged:emoji"), steps=5)


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Three cells: one whose raw file is there, one whose raw file is of another rate, one that was never run."""
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(cells.torch, "set_num_threads", lambda threads: None)
    measured = []

    def measure(cell: Cell):
        measured.append(cell.name)
        return {"knn": 0.5, "flops": 7}

    found = {name: Cell(name, 0, measure, RUN, {f"{name}.knn": "knn"}) for name in ("a", "b", "c")}
    cells.write(found["a"], measure(found["a"]), "python -m benchmarks.x")
    older = replace(found["b"], run=replace(RUN, steps=6))
    cells.write(older, measure(older), "python -m benchmarks.x")
    measured.clear()
    return found, measured


def run(found, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["x", "--threads", "1", *words])
    cells.main(found, "benchmarks.x", None)


def test_a_list_names_what_is_done_stale_and_missing(suite, monkeypatch, capsys):
    found, measured = suite
    run(found, monkeypatch, "--list")
    assert capsys.readouterr().out.splitlines() == ["done     a", "stale    b", "missing  c"]
    assert measured == []


def test_stale_cells_are_run_again_from_an_empty_folder(suite, monkeypatch):
    found, measured = suite
    left = cells.folder_of(found["b"])
    left.mkdir(parents=True)
    run(found, monkeypatch)
    assert measured == ["b", "c"]
    assert not left.exists()
    assert json.loads(cells.path_of(found["b"]).read_text())["run"]["steps"] == 5
    run(found, monkeypatch)
    assert measured == ["b", "c"], "what was measured by now is not measured again"


def test_claims_that_were_added_are_measured_on_the_training_that_is_there(suite, monkeypatch, capsys):
    found, measured = suite
    found["a"] = replace(found["a"], claims={"a.knn": "knn", "a.again": "knn"})
    left = cells.folder_of(found["a"])
    left.mkdir(parents=True)
    run(found, monkeypatch, "a", "--list")
    assert capsys.readouterr().out == "partial  a\n"
    run(found, monkeypatch, "a")
    assert measured == ["a"]
    assert left.exists()
