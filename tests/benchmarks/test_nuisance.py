"""The cells of the core hypothesis compare like with like."""

from dataclasses import replace

import pytest
import torch

from benchmarks import nuisance
from benchmarks.video import BATCH, LABELED, operations
from jepakit.probes.attentive import Patches


def test_all_models_take_as_many_operations_and_differ_in_the_target_alone():
    found = nuisance.cells()
    assert len(found) == 3 * 3 * 4 + 3
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


def test_the_token_that_is_read_is_the_one_that_the_noise_is_asked_about():
    noisy = replace(LABELED, noise=200.0, label="noise", train=40).build()
    x = torch.stack([noisy.get(index, 0, 0)["x"] for index in range(40)])
    token = nuisance.TokenAt(Patches(3, (2, 8, 8), axes=3))(x)
    assert token.values.shape[1] == 1
    assert token.coords[0, 0].tolist() == [2, 2, 2]
    patch = token.values[:, 0, : 3 * 2 * 8 * 8].unflatten(1, (3, 2, 8, 8))
    lighter = patch[..., :4, :4].mean(dim=(1, 2, 3, 4)) > x.mean(dim=(1, 2, 3, 4))
    assert (lighter == noisy.labels.bool()).float().mean() > 0.7
