"""Cells of what may come: the claims that were asked for, and figures that can fail."""

from dataclasses import replace

import pytest
import torch

from benchmarks import latent
from jepakit.data.branching import Branching
from jepakit.family.lvjepa import SMALL
from jepakit.probes.futures import compare

ASKED = (
    *("lvjepa.modes.coverage", "lvjepa.modes.precision", "lvjepa.no_z.coverage", "lvjepa.z_bits"),
    *("lvjepa.shortcut.detected", "lvjepa.shortcut.false_alarm"),
)
DATA = Branching(sprites="digits", test=24)


def test_every_claim_has_a_cell_for_each_seed():
    cells = latent.cells().values()
    for claim in ASKED:
        assert sorted(cell.seed for cell in cells if claim in cell.claims) == [0, 1, 2]


def test_all_cells_take_the_same_steps_and_every_kind_of_latent_is_there():
    runs = [cell.run for cell in latent.cells().values()]
    assert {(run.steps, run.batch) for run in runs} == {(runs[0].steps, runs[0].batch)}
    kinds = {run.model.latent for run in runs}
    assert kinds == {"searched", "categorical", "quantized", "gaussian", "sparse", "none"}


@pytest.mark.parametrize("kind", ["searched", "gaussian", "none"])
def test_an_untrained_model_knows_no_futures(kind):
    torch.manual_seed(0)
    method = replace(SMALL, latent=kind).build().eval()
    if kind == "gaussian":
        method.latent.steps = 2
    found = latent.figures_of(method, DATA.split("test"), 6)
    assert found["coverage"] == 0.0
    assert found["distance_to_mean"] > 2
    assert {figure for cell in latent.cells().values() if cell.run.model.latent == kind
            for figure in cell.claims.values()} <= found.keys()  # fmt: skip


def test_the_mean_of_what_may_come_is_none_of_it():
    """With the representation of an untrained network, too: what a model without z is drawn to covers nothing."""
    torch.manual_seed(0)
    method, dataset = SMALL.build().eval(), DATA.split("test")
    with torch.no_grad():
        clips = torch.stack([dataset.futures(index) for index in range(12)])
        futures = torch.stack([method.network(clips[:, mode, :, 4:]).values for mode in range(3)], dim=1)
    assert compare(futures, futures).coverage == 1.0
    assert compare(futures.mean(dim=1, keepdim=True), futures).coverage < 0.1


def test_outcomes_that_are_told_apart_least_are_those_that_fell_together():
    corners = torch.eye(3).view(1, 3, 1, 3)
    assert latent.least_apart(corners) == pytest.approx(1)
    assert latent.least_apart(torch.cat([corners, corners[:, :1]], dim=1)) == 0
