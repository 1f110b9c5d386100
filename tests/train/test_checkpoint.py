import json
import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_engine import Points, Tiny

from jepakit.train import checkpoint, optimize
from jepakit.train.checkpoint import State
from jepakit.train.optimize import AdamW
from jepakit.train.parallel import Place
from jepakit.train.run import Keep, Run
from jepakit.train.stops import CannotWrite, Collapsed
from jepakit.train.watch import Alarm

PLACE = Place(rank=0, ranks=1, device=torch.device("cpu"), mode="single", dtype=torch.float32)
RUN = Run(model=Tiny(), data=Points(), steps=10)


@pytest.fixture
def trained():
    torch.manual_seed(0)
    method = RUN.model.build()
    optimizer = optimize.build(AdamW(), method)
    for parameter in method.parameters():
        # The predictor's bias never gets a gradient: its optimizer state does not exist and must not be made up.
        if parameter.requires_grad and parameter is not method.predictor.bias:
            parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return method, optimizer


def save(out, trained, step=5):
    return checkpoint.save(out, RUN, *trained, State(done=step), PLACE)


def test_all_comes_back_bit_for_bit(tmp_path, trained):
    state = State(done=5, seconds=1.5, recent=[0.1, 0.7], alarm=Alarm(3.3, 2), origin={"licence": "MIT"})
    folder = checkpoint.save(tmp_path, RUN, *trained, state, PLACE)
    method = RUN.model.build()
    optimizer = optimize.build(AdamW(), method)
    assert checkpoint.restore(folder, method, optimizer, PLACE) == state
    for name, value in trained[0].state_dict().items():
        assert torch.equal(value, method.state_dict()[name]), name
    before, after = trained[1].state_dict()["state"], optimizer.state_dict()["state"]
    assert before.keys() == after.keys()
    for index, values in before.items():
        for key, value in values.items():
            assert torch.equal(value, after[index][key])
            assert value.shape == after[index][key].shape


def test_others_find_config_and_weights_without_any_pickle(tmp_path, trained):
    folder = save(tmp_path, trained)
    config = json.loads((folder / "config.json").read_text())
    assert config["format"] == 1
    assert config["step"] == 5
    assert config["model"] == RUN.model.to_json()
    assert config["transform"] == RUN.data.transform.to_json()
    weights = load_file(folder / "model.safetensors")
    assert weights.keys() == trained[0].state_dict().keys()
    names = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert names == {".json", ".safetensors"}


def test_the_origin_of_foreign_weights_is_repeated(tmp_path, trained):
    state = State(done=1, origin={"source": "hf:x/y", "licence": "CC BY-NC 4.0"})
    folder = checkpoint.save(tmp_path, RUN, *trained, state, PLACE)
    assert json.loads((folder / "config.json").read_text())["licence"] == "CC BY-NC 4.0"


@pytest.mark.parametrize("damage", ["model.safetensors", "config.json", "resume/state.json", "resume"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, trained, damage):
    save(tmp_path, trained, 5)
    newest = save(tmp_path, trained, 10)
    assert checkpoint.latest(tmp_path) == newest
    path = newest / damage
    if path.is_dir():
        next(path.glob("*.safetensors")).unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    assert checkpoint.latest(tmp_path) == tmp_path / "step-00000005"


def test_what_is_half_written_or_half_deleted_is_never_found(tmp_path, trained):
    save(tmp_path, trained)
    (tmp_path / ".step-00000009.writing").mkdir()
    (tmp_path / ".step-00000001.leaving").mkdir()
    assert checkpoint.latest(tmp_path) == tmp_path / "step-00000005"
    checkpoint.clean(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["step-00000005"]


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.latest(tmp_path) is None


def test_the_newest_and_every_so_many_are_kept(tmp_path, trained):
    for step in range(1, 11):
        save(tmp_path, trained, step)
        checkpoint.prune(tmp_path, Keep(last=2, forever=4))
    assert [int(path.name[5:]) for path in checkpoint.folders(tmp_path)] == [4, 8, 9, 10]


@pytest.mark.parametrize("where", ["_write_model", "_write_optimizer", "_settle"])
def test_a_failed_write_is_a_sentence_and_leaves_the_last_one_intact(tmp_path, trained, monkeypatch, where):
    good = save(tmp_path, trained)
    before = {path: path.read_bytes() for path in good.rglob("*") if path.is_file()}
    written = getattr(checkpoint, where)

    def fail(*arguments):
        written(*arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, where, fail if where != "_settle" else lambda *_: fail_only())
    with pytest.raises(CannotWrite, match=r"No space left on device.*step-00000005 is intact.*--resume"):
        save(tmp_path, trained, 6)
    assert sorted(os.listdir(tmp_path)) == ["step-00000005"]
    assert {path: path.read_bytes() for path in good.rglob("*") if path.is_file()} == before


def fail_only():
    raise OSError(28, "No space left on device")


def test_weights_of_another_model_are_refused(tmp_path, trained):
    folder = save(tmp_path, trained)
    other = replace(RUN.model, depth=3).build()
    with pytest.raises(ValueError, match="only on one side"):
        checkpoint.load_weights(folder / "model.safetensors", other)


def test_weights_that_are_not_numbers_are_never_saved(trained):
    with torch.no_grad():
        trained[0].predictor.weight[0, 0] = float("inf")
    with pytest.raises(Collapsed, match=r"predictor\.weight"):
        checkpoint.require_finite_weights(trained[0], 3, PLACE)
