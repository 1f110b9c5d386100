"""The report of a world model: figures, films, and what is said where there can be none."""

import io
import json
import re
import shutil
from base64 import b64decode
from dataclasses import replace

import pytest
import torch
from outline import Outline
from PIL import Image

from jepakit import cli
from jepakit.app import world_examination
from jepakit.app.report.record import read_record
from jepakit.app.report.wording import number
from jepakit.app.report.world import ask_world, say
from jepakit.app.world_examination import examine_world
from jepakit.app.world_plans import find_suite
from jepakit.data.trajectories import Trajectories
from jepakit.evals.goals import SUITES, TWO_ROOMS
from jepakit.planning.cem import CEM
from jepakit.probes.world_model import Horizon

QUICK = replace(
    TWO_ROOMS,
    planning=replace(TWO_ROOMS.planning, planner=CEM(samples=8, elites=2, iterations=2), horizon=2),
    budget=8,
)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SUITES, "two_rooms", QUICK)
        patch.setattr(world_examination, "DRAWN_STEPS", 2)
        patch.setattr(world_examination, "TICKS", 5)
        patch.setattr(world_examination, "MOST_CLIPS", 6)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A world model of two steps on a few episodes."""
    folder = tmp_path_factory.mktemp("foresight")
    assert cli.run(["collect", "two_rooms", "--episodes", "40", "--steps", "36", "--out", str(folder / "data")]) == 0
    words = ["--data.root", str(folder / "data"), "--steps", "2", "--batch", "4", "--watch.samples", "8"]
    assert cli.run(["train", "worlds:two_rooms", *words, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def page(run):
    assert cli.run(["report", str(run)]) == 0
    return (run / "report.html").read_text()


def sources(page):
    return re.findall(r'<img src="data:image/webp;base64,([^"]+)" alt="([^"]+)"', page)


def test_the_page_begins_with_what_the_model_foresees(page):
    outline = Outline(page)
    sections = ["foresight", "collapse", "health", "neighbors", "training", "origin"]
    assert [name for name in outline.ids if name in {*sections, "probes", "features", "masks"}] == sections
    assert re.findall(r'<a href="#(\w+)"', page) == sections
    assert all(source.startswith(("data:image/", "#")) for source in outline.sources)
    assert outline.without_alt == []
    for title in ("Error over the horizon", "Does it listen to actions?", "Surprise at a teleport",
                  "Energy over actions", "What latents tell of the state", "On its way to goals"):  # fmt: skip
        assert f"<h3>{title}</h3>" in page
    assert page.count('class="taken"') == page.count('class="least"') == 4
    assert "Does the future leak?" in page
    assert page.count('class="mosaic') == 0  # one vector for a frame has no places to color
    assert page.count('<th scope="row">number ') == 4
    assert "Imagining 9 steps ahead it misses" in page
    assert len(page) < 3e6


def test_films_show_every_step(page):
    (first, _), (imagined, told), (plans, _) = sources(page)
    assert "what came" in told
    with Image.open(io.BytesIO(b64decode(first))) as film:
        assert (film.n_frames, film.size) == (10, (2 * 64, 2 * 64))
    with Image.open(io.BytesIO(b64decode(imagined))) as film:
        assert (film.n_frames, film.size[1]) == (10, 3 * 64)
    with Image.open(io.BytesIO(b64decode(plans))) as film:
        assert film.n_frames == 9
        assert film.size[0] % 128 == 0


def test_a_part_that_rests_by_now_is_not_taken_for_one_that_never_learns(page):
    assert "get no gradient" not in page


def test_where_nobody_knows_the_states_or_the_world(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    shutil.copytree(run.parent / "data", tmp_path / "data")
    (tmp_path / "data" / "manifest.json").unlink()
    for path in (tmp_path / "data" / "episodes").glob("*.npz"):
        strip_states(path)
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    told["run"]["data"]["root"] = str(tmp_path / "data")
    (tmp_path / "run" / "run.json").write_text(json.dumps(told))
    world = ask_world(read_record(tmp_path / "run"))
    assert world is not None
    assert "the episodes do not say what the state of the world was" in world.section
    assert "it is not known which world the episodes come from" in world.section
    assert len(sources(world.section)) == 1


def strip_states(path):
    import numpy as np

    with np.load(path) as episode:
        kept = {key: episode[key] for key in ("frames", "actions")}
    np.savez(path, **kept)


def test_a_run_without_a_checkpoint_says_so(run, tmp_path):
    copied = shutil.copytree(run, tmp_path / "run")
    for folder in copied.glob("step-*"):
        shutil.rmtree(folder)
    world = ask_world(read_record(copied))
    assert world is not None
    assert world.first == ()
    assert "without a checkpoint" in world.section


def test_a_run_on_latents_is_asked_about_their_pictures(run, tmp_path):
    copied = shutil.copytree(run, tmp_path / "run")
    told = json.loads((copied / "run.json").read_text())
    pictures = told["run"]["data"]
    told["run"]["data"] = {"class": "jepakit.data.latents.Latents", "trajectories": pictures, "folder": "gone"}
    (copied / "run.json").write_text(json.dumps(told))
    found = examine_world(copied)
    assert found is not None
    assert found.data.to_json() == pictures
    for folder in copied.glob("step-*"):
        shutil.rmtree(folder)
    world = ask_world(read_record(copied))
    assert world is not None
    assert "without a checkpoint" in world.section


def test_other_runs_have_no_such_part(finished_run):
    assert ask_world(read_record(finished_run)) is None


def test_goals_are_those_of_the_world_and_of_its_timing(run):
    data = Trajectories(root=str(run.parent / "data"), skip=4, blocks="sum")
    assert find_suite(data) == ("two_rooms", QUICK)
    with pytest.raises(ValueError, match="planned for 4 steps at a time"):
        find_suite(replace(data, skip=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(SUITES, "two_rooms")
        with pytest.raises(ValueError, match="no suite of goals in the world"):
            find_suite(data)


def test_the_first_sentences_say_the_last_errors_and_a_leak(run):
    found = examine_world(run)
    assert found is not None
    errors = Horizon(*(torch.tensor([0.1, last]) for last in (0.25, 0.75, 0.5, 0.6)))
    foresight, heard, leak = say(replace(found, horizon=errors, keeps_time=False))
    assert "Imagining 2 steps ahead it misses 25.0 % of what differs" in foresight
    assert "moves misses 50.0 %, a linear map 60.0 %" in foresight
    assert f"of 2 steps {number(3.0)} times" in heard
    assert leak.startswith("It leaks")
    assert len(say(found)) == 2
