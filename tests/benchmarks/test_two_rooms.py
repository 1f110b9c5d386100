"""The cells of two rooms: the claims that were asked for, and one model for all that plan with it."""

from dataclasses import replace

from benchmarks import two_rooms
from benchmarks.claims import ROOMS
from jepakit.recipes import worlds


def test_every_claim_has_a_cell_for_each_seed():
    cells = two_rooms.cells().values()
    for row in ROOMS:
        assert sorted(cell.seed for cell in cells if row.claim in cell.claims) == [0, 1, 2]


def test_planners_share_a_training_and_data_differ_in_the_policy_alone():
    cells = two_rooms.cells()
    assert (
        cells["two_rooms.model.seed1"].run == cells["two_rooms.replan.seed1"].run == cells["two_rooms.mppi.seed1"].run
    )
    good, poor = (cells[f"two_rooms.{name}.seed0"].run for name in ("model", "poor_model"))
    assert good.data != poor.data
    assert good.model.source != poor.model.source
    alone = [replace(run.model, source=None) for run in (good, poor, worlds.two_rooms_planner())]
    assert alone[0] == alone[1] == alone[2]
