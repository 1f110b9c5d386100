"""Two stages from the command line: episodes of the arm, video without actions, latents, a predictor, and plans."""

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from PIL import Image

from jepakit import cli
from jepakit.evals.arm_goals import WISHES
from jepakit.evals.goals import ARM, SUITES
from jepakit.planning.cem import CEM

pytestmark = pytest.mark.skipif(find_spec("mujoco") is None, reason="MuJoCo is missing: pip install 'jepakit[arm]'")


def test_what_learnt_in_two_stages_plans(tmp_path, monkeypatch, capsys):
    data, video, few = (str(tmp_path / name) for name in ("data", "video", "few"))
    planning = replace(ARM["reach"].planning, planner=CEM(samples=6, elites=2, iterations=1))
    monkeypatch.setitem(SUITES, "arm7_reach", replace(ARM["reach"], planning=planning, budget=3))
    assert cli.run(["collect", "arm7", "--policy", "arm", "--episodes", "12", "--steps", "10", "--out", data]) == 0
    quick = ["--steps", "2", "--batch", "4"]
    small = ["--model.dim", "32", "--model.depth", "1", "--model.heads", "2", "--watch", "off"]
    assert cli.run(["train", "arm:video", "--data.root", data, *small, *quick, "--out", video]) == 0
    words = ["--data.trajectories.root", data, "--data.folder", str(tmp_path / "latents"), "--model.source", video]
    assert cli.run(["train", "arm:condensed_world", *words, "--model.dim", "16", *quick, "--out", few]) == 0
    assert "16 components of a frame tell" in capsys.readouterr().out
    assert cli.run(["plan", few, "--world", "arm7_reach", "--episodes", "2"]) == 0
    told = capsys.readouterr().out
    assert told.count("budget 3") == 3
    assert "| few |" in told


def test_a_picture_is_a_goal_for_a_run_that_feels_its_body(tmp_path, monkeypatch, capsys):
    data, run = str(tmp_path / "data"), str(tmp_path / "run")
    felt = replace(ARM["reach"].planning.cost, **WISHES["cem_felt_and_seen"])
    planning = replace(ARM["reach"].planning, planner=CEM(samples=6, elites=2, iterations=1), cost=felt)
    suite = replace(ARM["reach"], planning=planning, budget=2)
    monkeypatch.setitem(SUITES, "arm7_reach", suite)
    assert cli.run(["collect", "arm7", "--policy", "arm", "--episodes", "9", "--steps", "8", "--out", data]) == 0
    words = ["train", "arm:world_model", "--data.root", data, "--steps", "2", "--batch", "4", "--out", run]
    assert cli.run(words) == 0
    goal = suite.simulator.render(suite.simulator.goal(torch.tensor([1])))[0]
    Image.fromarray(goal.numpy()).save(tmp_path / "goal.png")
    assert cli.run(["plan", run, "--world", "arm7_reach", "--goal", str(tmp_path / "goal.png")]) == 0
    assert "after 2 steps" in capsys.readouterr().out
