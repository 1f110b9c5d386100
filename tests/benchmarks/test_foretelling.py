"""Cells of where things will be: every claim has one, and all models train at equal cost."""

import pytest

from benchmarks import foretelling
from benchmarks.claims import FORETELLERS, FORETOLD, asked_of


def test_every_claim_of_the_table_has_a_cell_for_each_seed():
    cells = foretelling.cells().values()
    for claim in asked_of(FORETELLERS, FORETOLD):
        assert sorted(cell.seed for cell in cells if claim in cell.claims) == [0, 1, 2]
    assert {claim for cell in cells for claim in cell.claims} == set(asked_of(FORETELLERS, FORETOLD))


def test_all_models_have_equal_operations():
    runs = {cell.name: cell.run for cell in foretelling.cells().values() if cell.seed == 0}
    spent = [run.steps * run.batch * foretelling.operations(run.model) for run in runs.values()]
    assert len(spent) == 5
    assert spent == pytest.approx([spent[0]] * 5, rel=2e-3)
    assert all(run.data == foretelling.ASKED.data for run in runs.values())
