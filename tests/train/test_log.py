import json
import sys
import types
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_engine import Points, Tiny

from jepakit.train.log import Journal, flat_numbers, forget_after, read_run, revision, versions
from jepakit.train.parallel import Place
from jepakit.train.run import Run
from jepakit.train.stops import CannotWrite

LINE = {"step": 3, "loss": 0.5, "terms": {"prediction": 0.5}, "metrics": {"deep": {"er": 2}}, "alarm": "a sentence"}


def place(rank=0):
    return Place(rank=rank, ranks=2, device=torch.device("cpu"), mode="ddp", dtype=torch.float32)


def make(*sinks):
    return Run(model=Tiny(), data=Points(), steps=10, sinks=sinks)


def test_run_json_is_the_run_and_where_it_ran(tmp_path):
    run = make()
    for _ in range(2):
        with Journal(tmp_path, run, place(), 0):
            pass
    assert read_run(tmp_path, trusted=True) == run
    starts = json.loads((tmp_path / "run.json").read_text())["starts"]
    assert len(starts) == 2
    assert starts[0]["versions"]["torch"] == versions()["torch"]
    assert starts[0]["machine"]["ranks"] == 2
    assert starts[0]["git"] == revision()


def test_a_folder_without_a_run_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read as a run"):
        read_run(tmp_path)


def test_a_run_of_strangers_imports_nothing(tmp_path):
    with Journal(tmp_path, make(), place(), 0):
        pass
    with pytest.raises(ValueError, match="not part of jepakit"):
        read_run(tmp_path)


def test_lines_of_steps_that_are_done_again_and_torn_lines_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 5}\n{"step": 6}\n{"st')
    forget_after(path, 5)
    assert path.read_text() == '{"step": 1}\n{"step": 5}\n'


def test_only_the_first_rank_writes(tmp_path):
    with Journal(tmp_path / "out", make("tensorboard"), place(rank=1), 0) as journal:
        journal.write(LINE)
    assert not (tmp_path / "out").exists()


def test_numbers_are_named_by_their_path():
    assert dict(flat_numbers(LINE)) == {"step": 3, "loss": 0.5, "terms/prediction": 0.5, "metrics/deep/er": 2}


def test_tensorboard_gets_every_number(tmp_path):
    with Journal(tmp_path, make("tensorboard"), place(), 0) as journal:
        journal.write(LINE)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "terms/prediction", "metrics/deep/er"}
    (event,) = events.Scalars("loss")
    assert (event.step, event.value) == (3, 0.5)


@pytest.mark.parametrize("package", ["wandb", "trackio"])
def test_trackers_are_started_fed_and_finished(tmp_path, monkeypatch, package):
    calls = []
    fake = types.SimpleNamespace(
        init=lambda **given: calls.append(("init", given)),
        log=lambda values, step: calls.append(("log", values, step)),
        finish=lambda: calls.append(("finish",)),
    )
    monkeypatch.setitem(sys.modules, package, fake)
    run = make(package)
    with Journal(tmp_path / "x", run, place(), 0) as journal:
        journal.write(LINE)
    assert [call[0] for call in calls] == ["init", "log", "finish"]
    first = json.loads((tmp_path / "x" / "run.json").read_text())["starts"][0]["date"]
    assert calls[0][1]["name"] == f"x-{first[:10].replace('-', '')}-{first[11:19].replace(':', '')}"
    assert calls[0][1]["config"] == run.to_json()
    assert calls[0][1]["resume"] == "allow"
    assert calls[1][1:] == ({"loss": 0.5, "terms/prediction": 0.5, "metrics/deep/er": 2}, 3)


@pytest.mark.parametrize("package", ["wandb", "trackio"])
def test_a_missing_tracker_names_the_extra(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"pip install 'jepakit\[{package}\]'"):
        Journal(tmp_path, make(package), place(), 0)


def test_a_disk_that_is_gone_is_a_sentence(tmp_path, monkeypatch):
    with Journal(tmp_path, make(), place(), 0) as journal:

        def fail(*arguments, **named):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "open", fail)
        with pytest.raises(CannotWrite, match=r"No space left on device.*--resume"):
            journal.write(LINE)
