"""The cells of the core hypothesis compare like with like."""

import pytest

from benchmarks import nuisance
from benchmarks.video import BATCH, operations


def test_all_models_take_as_many_operations_and_differ_in_the_target_alone():
    found = nuisance.cells()
    assert len(found) == 3 * 3 * 4
    totals = []
    for name in nuisance.MODELS:
        run = found[f"nuisance.{name}.30.seed0"].run
        assert run.data.noise == 30
        totals.append(run.steps * BATCH * operations(run.model))
    assert totals == pytest.approx([totals[0]] * 3, rel=0.05)


def test_nothing_is_asked_about_noise_that_is_not_there():
    found = nuisance.cells()
    assert found["nuisance.vjepa.0.seed0"].claims == {"nuisance.vjepa.0.content": "content"}
    assert found["nuisance.random_init.60.seed1"].claims == {
        "nuisance.random_init.60.content": "content", "nuisance.random_init.60.noise": "noise",
    }  # fmt: skip
