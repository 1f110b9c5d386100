"""Cells of what is learnt from a robot arm: the claims, equal compute, and what each subject is shown."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks import metaworld, video
from benchmarks.cells import Cell
from jepakit.data.robot_clips import HELD_OUT_CAMERA, gather
from jepakit.data.robot_takes import FRAMES, SIZE, Take, take_path
from jepakit.tokens import Tokens

ASKED = ("vjepa", "vjepa_token", "frames", "still", "videomae", "random_init", "raw")


def test_every_claim_has_a_cell_for_each_seed():
    cells = metaworld.cells().values()
    for subject in ASKED:
        for figure in ("attentive", "camera", "scenes"):
            seeds = sorted(cell.seed for cell in cells if f"{subject}.metaworld.{figure}" in cell.claims)
            assert seeds == ([0] if subject == "raw" else [0, 1, 2])


def test_trainings_take_as_many_operations_as_that_of_vjepa():
    costs = {name: run.steps * run.batch * video.operations(run.model) for name, run in metaworld.trainings().items()}
    for cost in costs.values():
        assert cost == pytest.approx(costs["vjepa"], rel=0.02)


def test_no_training_sees_the_held_out_camera_or_a_mirror():
    for run in metaworld.trainings().values():
        clips = getattr(run.data, "clips", run.data)
        assert HELD_OUT_CAMERA not in clips.cameras
        assert not clips.augment.flip


class Brightness(nn.Module):
    """A picture as one token: the mean of its colors."""

    dim = 3

    def forward(self, x, keep=None, layers=None):
        return Tokens(x.flatten(2).mean(dim=2)[:, None], torch.zeros(len(x), 1, 2))


TASKS = (("a", "b"), ("c", "d"))
LIGHT = {"a": (0, 255), "b": (255, 0), "c": (0, 255), "d": (0, 255)}
"""Red at the start and at the end; in the middle all are the same. Green tells c from d, blue the scenes."""


@pytest.fixture
def folder(tmp_path):
    for task, (start, end) in LIGHT.items():
        for seed in (*range(5), 21, *range(24, 26)):
            clips = torch.zeros(3, FRAMES, SIZE, SIZE, 3, dtype=torch.uint8)
            clips[:, :8, ..., 0], clips[:, 8, ..., 0], clips[:, 9:, ..., 0] = start, 128, end
            clips[..., 1] = 200 if task == "d" else 50
            clips[..., 2] = 250 if task in TASKS[1] else 0
            states = torch.zeros(FRAMES, 10).numpy()
            take = Take(
                task, seed, True, 60, ("left", "right", "high"), clips.numpy(), states[:, :4],
                states[:, 4:].reshape(FRAMES, 2, 3),
            )  # fmt: skip
            take.save(take_path(tmp_path, task, seed))
    gather(tmp_path)
    return tmp_path


def test_the_middle_frame_does_not_tell_what_the_clip_tells(folder, monkeypatch):
    """A model that is shown all frames tells all tasks; shown one, it is at chance on the pair that differs in time."""
    monkeypatch.setattr(metaworld, "CLIPS", replace(metaworld.CLIPS, folder=str(folder)))
    monkeypatch.setattr(metaworld, "SCENES", TASKS)
    quick = replace(metaworld.ATTENTIVE, rates=(2e-2,), steps=120, batch=32)
    monkeypatch.setattr(metaworld, "ATTENTIVE", quick)
    monkeypatch.setattr(metaworld, "PAIRS", quick)
    cell = Cell("metaworld.frames.seed0", 0, metaworld.one_frame, metaworld.trainings()["frames"], {})
    film = metaworld.probed(metaworld.PerFrame(Brightness()), cell)
    assert (film["attentive"], film["camera"], film["scenes"]) == (1.0, 1.0, 1.0)
    still = metaworld.probed(Brightness(), cell, still=True)
    assert still["scenes"] == 0.75  # one pair by chance, the other one surely
    assert len(still["rows"]) == 4
