"""Exports give the numbers of the backbone, keep the licence, and are whole or not there."""

import json
import os
from dataclasses import replace

import pytest
import torch
from checkpoints import MODEL, build_noisy, picture, write_official
from safetensors import safe_open

from jepakit.data.transforms import ImageTransform
from jepakit.family import vjepa, vjepa2, vjepa21
from jepakit.family.ijepa import TINY
from jepakit.pretrained import convert, export, load, load_method, save_backbone
from jepakit.pretrained.clips import usual_transform
from jepakit.pretrained.export import new_folder

TRANSFORM = ImageTransform(size=32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_official(tmp_path_factory.mktemp("export") / "x.pth.tar", build_noisy())


@pytest.mark.parametrize("entry", ["target_encoder", "encoder"])
@pytest.mark.parametrize("format", ["safetensors", "hf"])
def test_an_export_loads_with_equal_output(format, entry, path, tmp_path):
    told = export(path, tmp_path / "out", format, entry)
    assert "license: CC-BY-NC-4.0" in told
    assert f"written: {tmp_path / 'out'}" in told
    again, original = load(tmp_path / "out"), load(path, entry)
    assert torch.equal(again(picture()).values, original(picture()).values)
    assert again.transform.shorter == original.transform.shorter


def test_the_licence_is_in_every_file_of_an_export(path, tmp_path):
    export(path, tmp_path / "ours")
    assert json.loads((tmp_path / "ours/config.json").read_text())["license"] == "CC-BY-NC-4.0"
    export(tmp_path / "ours", tmp_path / "hf", "hf")
    for file in (tmp_path / "ours/backbone.safetensors", tmp_path / "hf/model.safetensors"):
        with safe_open(file, framework="pt") as opened:
            assert opened.metadata()["license"] == "CC-BY-NC-4.0"


@pytest.mark.parametrize("entry", ["target_encoder", "encoder"])
def test_convert_writes_the_chosen_entry(entry, path, tmp_path):
    told = convert(path, tmp_path / "out", entry)
    assert "left out: batch_size" in told
    assert torch.equal(load(tmp_path / "out")(picture()).values, load(path, entry)(picture()).values)
    with pytest.raises(ValueError, match="holds one network and no whole method: backbone, predictor would be missing"):
        load_method(tmp_path / "out")


def test_convert_can_keep_everything(path, tmp_path):
    convert(path, tmp_path / "out", "all")
    ours, again = load_method(path).state_dict(), load_method(tmp_path / "out").state_dict()
    assert ours.keys() == again.keys()
    assert all(torch.equal(ours[name], again[name]) for name in ours)


def test_what_is_not_whole_cannot_be_converted_whole(path, tmp_path):
    export(path, tmp_path / "hf", "hf")
    with pytest.raises(ValueError, match="no whole method"):
        convert(tmp_path / "hf", tmp_path / "out", "all")
    assert not (tmp_path / "out").exists()


def test_onnx_gives_the_same_numbers_for_any_batch(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    backbone = build_noisy(TINY).kept
    save_backbone(backbone, TINY, tmp_path / "ours", TRANSFORM, {"license": "CC0-1.0"})
    assert "onnxruntime differs from torch by" in export(tmp_path / "ours", tmp_path / "onnx", "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx/backbone.onnx")
    about = session.get_modelmeta().custom_metadata_map
    assert about["license"] == "CC0-1.0"
    assert ImageTransform.from_json(json.loads(about["transform"])) == TRANSFORM
    for batch in (1, 5):
        x = picture(batch=batch)
        tokens = session.run(["tokens"], {"pixels": x.numpy()})[0]
        assert (torch.from_numpy(tokens) - backbone(x).values).abs().max() < 1e-4


@pytest.mark.parametrize("model", [vjepa.TINY, vjepa2.TINY, vjepa21.TINY], ids=["1", "2", "2.1"])
def test_onnx_of_clips_gives_the_same_numbers_for_any_batch(model, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    backbone = build_noisy(model).kept
    save_backbone(backbone, model, tmp_path / "ours", usual_transform(4, (32, 32), 2, 3))
    assert "onnxruntime differs from torch by" in export(tmp_path / "ours", tmp_path / "onnx", "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx/backbone.onnx")
    for batch in (1, 5):
        x = torch.randn(batch, 3, 4, 32, 32, generator=torch.Generator().manual_seed(batch))
        tokens = session.run(["tokens"], {"pixels": x.numpy()})[0]
        assert (torch.from_numpy(tokens) - backbone(x).values).abs().max() < 1e-4


def test_onnx_that_is_not_installed_gives_a_sentence(path, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"pip install 'jepakit\[onnx\]'"):
        export(path, tmp_path / "out", "onnx")
    assert not (tmp_path / "out").exists()


def test_a_gray_model_has_no_processor(tmp_path):
    model = replace(TINY, channels=1)
    gray = ImageTransform(size=32, channels=1, mean=(0.5,), std=(0.5,))
    save_backbone(build_noisy(model).kept, model, tmp_path / "ours", gray)
    with pytest.raises(ValueError, match="makes 1; export to safetensors or onnx"):
        export(tmp_path / "ours", tmp_path / "hf", "hf")
    assert not (tmp_path / "hf").exists()


def test_a_backbone_must_fit_its_config(tmp_path):
    with pytest.raises(ValueError, match="the backbone to save lacks"):
        save_backbone(build_noisy().kept, replace(MODEL, depth=3), tmp_path / "out")


def test_nothing_is_overwritten(path, tmp_path):
    export(path, tmp_path / "out")
    before = os.stat(tmp_path / "out/backbone.safetensors").st_mtime_ns
    with pytest.raises(ValueError, match="is already there; choose a new folder"):
        export(path, tmp_path / "out")
    assert os.stat(tmp_path / "out/backbone.safetensors").st_mtime_ns == before
    (tmp_path / "empty").mkdir()
    export(path, tmp_path / "empty")


def write_half(out, error):
    with new_folder(out) as folder:
        (folder / "half").write_text("half")
        raise error


def test_a_folder_is_whole_or_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"could not be written: .*No space"):
        write_half(tmp_path / "out", OSError(28, "No space left on device"))
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "out", KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []
