"""Cells of what is learnt: one name each, the claims that were asked for, and FLOP counted by hand."""

import json
import re
from dataclasses import replace
from pathlib import Path

from benchmarks import cells, learning, tables
from benchmarks.record import ROOT
from benchmarks.suites import SUITES
from jepakit.probes.finetune import FineTune
from jepakit.recipes import images


def test_make_runs_every_suite_of_cells():
    files = (Path(learning.__file__).parent).glob("*.py")
    written = {path.stem for path in files if "run_cells(cells(), " in path.read_text()}
    assert written == {suite.__name__.removeprefix("benchmarks.") for suite in SUITES}
    target = (ROOT / "Makefile").read_text().partition("\nlearning:")[2].partition("\n\n")[0]
    assert written <= set(re.findall(r"-m benchmarks\.(\w+)$", target, re.MULTILINE))


def test_every_claim_of_learning_has_a_cell():
    claims = {claim for suite in SUITES for cell in suite.cells().values() for claim in cell.claims}
    measured_elsewhere = {row.claim for row in (*tables.SPEED, *tables.RELIABILITY)}
    counted = {"collapse.false_alarms", "collapse.misses"}
    assert tables.expected() - measured_elsewhere - counted <= claims


def test_flops_of_supervised_training_are_those_of_its_products():
    run = images.fashion()
    run = replace(run, model=replace(run.model, dim=32, depth=2, heads=2))
    tokens, dim = 16, 32
    patches, head = 2 * tokens * 7 * 7 * dim, 2 * dim * 10
    linear = 2 * tokens * (4 + 2 * 4) * dim * dim  # projections of attention, and an MLP of four times the width
    attention = 2 * 2 * tokens * tokens * dim  # scores and mixing
    forward = patches + 2 * (linear + attention) + head
    probe = FineTune(batch=8, steps=5)
    seen = 20 + 2 * 8  # one epoch of 8, 8 and 4 samples, and two batches of the next
    assert learning.flops_of_training(run, probe, labels=20, classes=10) == 3 * seen * forward
    assert learning.flops_of_training(run, probe, labels=6, classes=10) == 3 * 5 * 6 * forward


def test_a_raw_file_gives_each_claim_its_flops(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    cell = learning.cells()["fashion.supervised.seed0"]
    found = {"full": 0.9, "lowshot1": 0.7, "rows": [], "flops": {"full": 5, "lowshot1": 3}}
    cells.write(cell, found, "python -m benchmarks.learning")
    body = json.loads(cells.path_of(cell).read_text())
    assert body["claims"] == {"fashion.supervised.full": 0.9, "fashion.supervised.lowshot1": 0.7}
    assert body["flops"] == {"fashion.supervised.full": 5, "fashion.supervised.lowshot1": 3}
