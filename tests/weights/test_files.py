"""Files of strangers are read without running them, and broken ones give a sentence."""

import json
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from jepakit.weights.files import (
    read_checkpoint,
    read_json,
    read_safetensors,
    read_sharded,
    tensors_in,
    write_safetensors,
)


class Payload:
    """Unpickling this creates a file: proof that code ran."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, (f"open({str(self.mark)!r}, 'w').close()",))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_checkpoint_does_not_run(zipped: bool, tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.pth.tar"
    torch.save({"encoder": Payload(mark)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="was not unpickled, since that could run code"):
        read_checkpoint(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the payload works, so the test above can fail"


def test_a_bare_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(ValueError, match=r"evil\.pt"):
        read_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_checkpoints_are_read(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "plain.pth.tar"
    saved = {"encoder": OrderedDict(a=torch.arange(4.0)), "epoch": 3, "scaler": None, "lr": 0.1}
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(path)
    assert torch.equal(found["encoder"]["a"], torch.arange(4.0))
    assert found["epoch"] == 3


@pytest.mark.parametrize("size", [0, 10, 200, 900])
def test_a_damaged_checkpoint_gives_a_sentence(size: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth.tar"
    torch.save({"a": torch.randn(64)}, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"cut\.pth\.tar"):
        read_checkpoint(path)


def test_a_checkpoint_that_is_no_dict_is_told(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="holds a list where a dict"):
        read_checkpoint(tmp_path / "list.pt")


def test_a_state_dict_holds_tensors_only() -> None:
    with pytest.raises(ValueError, match="encoder should be a dict of tensors, but it also holds b"):
        tensors_in({"a": torch.ones(1), "b": 3}, "encoder")
    with pytest.raises(ValueError, match="but it is a int"):
        tensors_in(3, "encoder")


def test_windows_and_shared_tensors_are_written_whole(tmp_path: Path) -> None:
    large = torch.arange(12.0).view(3, 4)
    state = {"row": large[1], "column": large[:, 1], "all": large, "again": large}
    write_safetensors(tmp_path / "x.safetensors", state, {"license": "CC0"})
    found = read_safetensors(tmp_path / "x.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
    assert set(read_safetensors(tmp_path / "x.safetensors", "a")) == {"ll", "gain"}


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64])
def test_broken_safetensors_give_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        read_safetensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors", 3])
def test_an_index_cannot_leave_its_folder(name: object, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ValueError, match="is not a file in its folder"):
        read_sharded(tmp_path)


def test_a_folder_of_pickles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="pickled weights"):
        read_sharded(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", "\udcff"])
def test_broken_json_names_its_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content, errors="surrogateescape")
    with pytest.raises(ValueError, match=r"config\.json"):
        read_json(tmp_path / "config.json")
