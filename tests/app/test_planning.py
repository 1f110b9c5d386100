"""From collected episodes to a model that plans: every verb of worlds, on a few steps."""

import inspect
import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from jepakit import cli
from jepakit.app import planning
from jepakit.evals.goals import SUITES, TWO_ROOMS
from jepakit.planning.cem import CEM
from jepakit.worlds.collect import Collector

QUICK = replace(
    TWO_ROOMS,
    planning=replace(TWO_ROOMS.planning, planner=CEM(samples=8, elites=2, iterations=2), horizon=2),
    budget=8,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A world model and a cloned policy, trained for two steps on the same few episodes."""
    folder = tmp_path_factory.mktemp("rooms")
    assert cli.run(["collect", "two_rooms", "--episodes", "12", "--out", str(folder / "data")]) == 0
    small = ["--data.root", str(folder / "data"), "--steps", "2", "--batch", "4"]
    for recipe in ("two_rooms", "two_rooms_bc"):
        assert cli.run(["train", f"worlds:{recipe}", *small, "--out", str(folder / recipe)]) == 0
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setitem(SUITES, "two_rooms", QUICK)


def test_episodes_are_those_of_their_seed_and_are_not_played_again(runs, tmp_path, capsys):
    manifest = json.loads((runs / "data" / "manifest.json").read_text())
    assert manifest["about"]["policy"]["class"].endswith("RandomWalk")
    again = tmp_path / "data"
    assert cli.run(["collect", "two_rooms", "--episodes", "5", "--out", str(again)]) == 0
    sums = [json.loads((folder / "manifest.json").read_text())["episodes"] for folder in (again, runs / "data")]
    assert all(sums[1][name] == entry for name, entry in sums[0].items())
    assert "5 episodes, 325 moments" in capsys.readouterr().out


def test_everybody_plays_the_same_episodes_and_a_film_shows_the_first_run(runs, tmp_path, capsys):
    film = tmp_path / "film.gif"
    words = ["plan", str(runs / "two_rooms"), str(runs / "two_rooms_bc"), "--episodes", "4", "--video", str(film)]
    assert cli.run(words) == 0
    told = capsys.readouterr().out
    rows = [line.split(" | ")[0].strip("| ") for line in told.splitlines() if line.startswith("| ")]
    assert rows[2:] == ["random", "two_rooms", "two_rooms_bc", "true simulator"]
    assert told.count("budget 8") == 4
    with Image.open(film) as opened:
        assert (opened.n_frames, opened.size) == (9, (3 * 2 * 64 * planning.LARGER, 64 * planning.LARGER))


def test_runs_are_called_by_as_much_of_their_paths_as_tells_them_apart(tmp_path):
    paths = [tmp_path / part for part in ("a/model", "b/model", "random", "other", "true simulator")]
    names = ["a/model", "b/model", f"{tmp_path.name}/random", "other", f"{tmp_path.name}/true simulator"]
    assert planning.label(paths) == dict(zip(names, paths, strict=True))
    with pytest.raises(ValueError, match="named twice"):
        planning.label([tmp_path / "other", tmp_path / "b" / ".." / "other"])


@pytest.mark.parametrize(
    ("name", "told"),
    [("film.avi", "ends in .mp4 or .gif"), ("file/film.mp4", "is no folder"), ("folder.mp4", "is a folder")],
)
def test_a_film_that_cannot_be_written_is_refused_before_anything_is_played(tmp_path, monkeypatch, name, told):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    monkeypatch.setattr(planning, "play", lambda *_: pytest.fail("played"))
    monkeypatch.setattr(planning, "towards", lambda *_: pytest.fail("planned"))
    with pytest.raises(ValueError, match=told):
        planning.compare(QUICK, {}, tmp_path / name)
    with pytest.raises(ValueError, match=told):
        planning.pursue(QUICK, {}, tmp_path / "goal.png", tmp_path / name)


def test_the_table_is_told_before_the_film_is_made(runs, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(planning, "film", fail)
    words = ["plan", str(runs / "two_rooms"), "--episodes", "2", "--video", str(tmp_path / "film.gif")]
    assert cli.run(words) == 1
    told = capsys.readouterr()
    assert "| true simulator |" in told.out
    assert "0 of " in told.out.split("actions clamped")[1]
    assert "the disk is full" in told.err


def test_every_suite_stands_in_the_help():
    from jepakit.cli import acting

    told = inspect.getdoc(acting.plan)
    assert told is not None
    for name in SUITES:
        assert name in told


def test_a_picture_is_a_goal(runs, tmp_path, capsys):
    world, seed = QUICK.simulator, torch.tensor([3])
    Image.fromarray(world.render(world.goal(seed))[0].numpy()).save(tmp_path / "goal.png")
    words = ["plan", str(runs / "two_rooms"), "--goal", str(tmp_path / "goal.png"), "--seed", "3"]
    assert cli.run([*words, "--video", str(tmp_path / "there.mp4")]) == 0
    assert "distance of latents from the goal" in capsys.readouterr().out
    assert (tmp_path / "there.mp4").stat().st_size > 1000


def test_a_model_is_told_of_actions_as_its_data_were_cut(runs):
    found = planning.open_run(runs / "two_rooms", "cpu", False)
    assert planning.suited(QUICK, "a run", found) is QUICK
    other = replace(found, data=replace(found.data, skip=2, blocks="concatenate"))
    timing = planning.suited(QUICK, "a run", other).planning.timing
    assert (timing.hold, timing.skip, timing.told) == (4, 2, "concatenate")
    for data, told in (
        (replace(found.data, skip=3), "a run learnt from 3 steps at a time .* no multiple of the 3"),
        (replace(found.data, blocks="poses"), "differences of poses"),
    ):
        with pytest.raises(ValueError, match=told):
            planning.suited(QUICK, "a run", replace(found, data=data))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["collect", "mars", "--out", "x"], "there is no world 'mars'; there are two_rooms"),
        (["collect", "two_rooms", "--policy", "fly", "--out", "x"], "there is no policy 'fly'"),
        (["collect", "push", "--policy", "confined", "--out", "x"], "has no rooms"),
        (["collect", "two_rooms", "--out", "goal.png"], "goal.png is a file"),
        (["collect", "two_rooms", "--out", "goal.png/deeper"], "goal.png is a file"),
        (["collect", "two_rooms", "--episodes", "0", "--out", "x"], "episodes and steps are 1 or more, got 0 and 64"),
        (["plan", "RUN", "--episodes", "0"], "episodes is how many are played and at least 1, got 0"),
        (["plan"], "name the folder of a run"),
        (["plan", "RUN", "--world", "mars"], "no suite of goals in 'mars'"),
        (["plan", "RUN", "--world", "push"], "two_rooms learnt from episodes of TwoRooms"),
        (["plan", "RUN", "--goal", "nothing.png"], "nothing.png cannot be read as a picture"),
        (["plan", "BC", "--goal", "GOAL"], "this run cloned behavior"),
        (["plan", "RUN", "BC", "--goal", "GOAL"], "planned for with one run, 2 are named"),
        (["plan", "RUN", "RUN", "--goal", "GOAL"], "two_rooms is named twice"),
        (["plan", "RUN", "--episodes", "1", "--video", "film.avi"], "a film ends in .mp4 or .gif"),
    ],
)
def test_bad_input_is_one_sentence(runs, tmp_path, capsys, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64)).save("goal.png")
    places = {"RUN": str(runs / "two_rooms"), "BC": str(runs / "two_rooms_bc"), "GOAL": "goal.png"}
    assert cli.run([places.get(word, word) for word in words]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["goal.png"], "what is refused leaves nothing behind"


def test_a_collection_that_is_stopped_says_so_and_goes_on(tmp_path, monkeypatch, capsys):
    words = ["collect", "two_rooms", "--episodes", "4", "--steps", "4", "--out", str(tmp_path / "data")]

    def stop(collector, numbers):
        made = play(collector, numbers)
        yield next(made)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        play = Collector.__call__
        patched.setattr(Collector, "__call__", stop)
        assert cli.run(words) == 130
    assert capsys.readouterr().err == "jepakit collect: stopped; the same command goes on\n"
    assert len(json.loads((tmp_path / "data" / "manifest.json").read_text())["episodes"]) == 1
    assert cli.run(words) == 0
    assert "4 episodes" in capsys.readouterr().out


def test_a_plan_that_is_stopped_says_so(runs, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "play", stop)
    assert cli.run(["plan", str(runs / "two_rooms")]) == 130
    assert capsys.readouterr().err == "jepakit plan: stopped\n"
