"""The cells of the arm: a cell for every claim and seed, one training where claims share it, and equal data for all."""

from dataclasses import replace

import pytest
import torch

from benchmarks import arm7
from benchmarks.claims import ARM, ARM_COUNTS, ARM_LEARNERS, asked_of
from jepakit.data.trajectories import Trajectories
from jepakit.evals.arm_goals import ARM_TASKS, SHIFTS, WISHES
from jepakit.family.condensed import SMALL_VIDEO
from jepakit.planning.outcome import Episode, Outcome

CELLS = arm7.cells()


@pytest.mark.parametrize("claim", [*(row.claim for row in ARM), *asked_of(ARM_LEARNERS, ARM_COUNTS)])
def test_every_claim_has_a_cell_for_each_seed(claim):
    assert sorted(cell.seed for cell in CELLS.values() if claim in cell.claims) == [0, 1, 2]


def test_no_cell_makes_a_claim_without_a_place():
    places = {*(row.claim for row in ARM), *asked_of(ARM_LEARNERS, ARM_COUNTS)}
    assert {claim for cell in CELLS.values() for claim in cell.claims} == places


def test_figures_that_share_a_training_share_its_run():
    assert CELLS["arm7.model.seed1"].run == CELLS["arm7.shift.seed1"].run
    model, few = CELLS["arm7.model.seed0"].run, CELLS["arm7.data_50.scratch.seed0"].run
    assert isinstance(model.data, Trajectories)
    assert isinstance(few.data, Trajectories)
    assert (model.data.episodes, few.data.episodes) == (6_000, 50)
    assert model.model == few.model
    assert CELLS["arm7.data_50.bc.seed0"].run.model == CELLS["arm7.bc.seed0"].run.model


def test_videos_show_all_episodes_and_train_the_encoder_of_the_second_stage():
    video = CELLS["arm7.video.seed2"].run
    assert isinstance(video.data, Trajectories)
    assert video.data.episodes is None
    assert video.model == SMALL_VIDEO
    assert CELLS["arm7.data_200.pretrained.seed2"].run.model.encoder == SMALL_VIDEO


def test_stages_fit_their_tasks_and_shifts_leave_the_tasks_as_they_are():
    for task in ARM_TASKS.values():
        assert not task.stages or sum(task.stages) == task.budget
    for changes in SHIFTS.values():
        assert {"task", "size"}.isdisjoint(changes)


def outcome(reached):
    """Episodes with these numbers, and whether they reached their goals."""
    episodes = tuple(Episode(0, number, done, done, 3 if done else None) for number, done in reached.items())
    return Outcome("a policy", "", "any", episodes, 0, 0, 0, 1, 0.0, torch.zeros(1, 1, 1), torch.zeros(1, 1))


def test_a_drop_is_that_of_the_episodes_that_both_played():
    before = outcome({0: True, 1: True, 2: True, 3: False, 4: False})
    after = outcome({0: True, 1: False, 2: False, 3: False, 9: True})
    found = arm7.paired_drop([(before, after)])
    assert (found["value"], found["n"]) == (50.0, 4)
    assert found["high"] - found["value"] == pytest.approx(1.96 * 100 * (1 / 12) ** 0.5)
    same = arm7.paired_drop([(before, before), (before, after)])
    assert same["value"] == 25.0
    with pytest.raises(ValueError, match="0 were played twice"):
        arm7.paired_drop([(before, outcome({7: True}))])


def test_goals_are_pictures_alone_where_there_is_a_mark_and_cloning_sees_whole_episodes():
    assert not ARM_TASKS["reach"].planning.cost.felt
    assert not replace(ARM_TASKS["reach"].planning.cost, **WISHES["cem"]).felt
    assert {row.claim.split(".")[2] for row in ARM if row.least} == {"cem"}
    for name in ("bc", "data_50.bc"):
        data = CELLS[f"arm7.{name}.seed0"].run.data
        assert isinstance(data, Trajectories)
        assert data.frames == arm7.STEPS + 1
