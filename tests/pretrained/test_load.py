"""Our own folders: runs, checkpoints, exported backbones; and sources that are none."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import MODEL, build_noisy, picture
from PIL import Image
from safetensors.torch import load_file, save_file

import jepakit
from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.family.ijepa import TINY
from jepakit.pretrained import load, load_method, save_backbone
from jepakit.train.fit import fit
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

TRANSFORM = ImageTransform(size=32, resize="shorter_side", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2))


def make_run(folder: Path, **changes) -> Run:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 40, 36, 3), dtype=np.uint8)
    np.save(folder / "pictures.npy", pixels)
    values = {"steps": 3, "batch": 4, "workers": 0, "sinks": (), "watch": Watch(action="off"), "log_every": 1,
              "keep": Keep(every=1, last=3), "model": TINY, "device": "cpu",
              "data": Images(root=str(folder / "pictures.npy"), transform=TRANSFORM)} | changes  # fmt: skip
    return Run(**values)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three steps: its folder and its method."""
    folder = tmp_path_factory.mktemp("trained")
    method = fit(make_run(folder), folder / "run")
    return folder / "run", method.eval()


def test_a_run_gives_what_it_kept(trained):
    folder, method = trained
    backbone = load(folder)
    assert torch.equal(backbone(picture()).values, method.kept(picture()).values)
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert torch.equal(load(folder, entry="encoder")(picture()).values, method.backbone(picture()).values)
    assert not torch.equal(method.kept(picture()).values, method.backbone(picture()).values)


def test_the_sentence_of_the_readme(trained):
    folder, _ = trained
    backbone = jepakit.load(str(folder))
    image = Image.fromarray(np.zeros((50, 60, 3), dtype=np.uint8))
    assert backbone.transform == TRANSFORM
    tokens = backbone(backbone.transform(image)[None])
    assert tokens.values.shape == (1, 16, 48)
    with pytest.raises(TypeError, match=r"backbone\.transform"):
        backbone(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_a_single_checkpoint_can_be_named(trained):
    folder, _ = trained
    first, last = load(folder / "step-00000001"), load(folder / "step-00000003")
    assert not torch.equal(first(picture()).values, last(picture()).values)
    assert torch.equal(last(picture()).values, load(folder)(picture()).values)


def test_a_damaged_checkpoint_is_passed_over(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    (tmp_path / "run/step-00000003/model.safetensors").write_bytes(b"torn")
    (tmp_path / "run/step-00000002/config.json").unlink()
    assert torch.equal(load(tmp_path / "run")(picture()).values, load(trained[0] / "step-00000001")(picture()).values)
    (tmp_path / "run/step-00000001/model.safetensors").unlink()
    with pytest.raises(ValueError, match="no checkpoint that can be read"):
        load(tmp_path / "run")


def test_a_checkpoint_without_its_optimizer_is_enough(trained, tmp_path):
    shutil.copytree(trained[0] / "step-00000003", tmp_path / "given", ignore=lambda *_: ["resume"])
    assert torch.equal(load(tmp_path / "given")(picture()).values, load(trained[0])(picture()).values)


def test_a_run_without_a_checkpoint_says_so(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match="without a checkpoint yet"):
        load(tmp_path)


def test_the_whole_method_comes_back(trained):
    folder, method = trained
    again = load_method(folder)
    ours = method.state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in again.state_dict().items())


@pytest.mark.parametrize("target", ["ema", "shared", "pixels"])
def test_a_saved_backbone_comes_back(target, tmp_path):
    model = replace(MODEL, target=target)
    backbone = build_noisy(model).kept
    save_backbone(backbone, model, tmp_path / "out", TRANSFORM, {"license": "CC0-1.0", "source": "a test"})
    assert sorted(path.name for path in tmp_path.joinpath("out").iterdir()) == ["backbone.safetensors", "config.json"]
    again = load(tmp_path / "out")
    assert torch.equal(again(picture()).values, backbone(picture()).values)
    assert again.transform == TRANSFORM


def test_notes_and_licence_are_logged(tmp_path, caplog):
    save_backbone(build_noisy().kept, MODEL, tmp_path / "out", TRANSFORM, {"license": "CC0-1.0"})
    with caplog.at_level(logging.INFO):
        load(tmp_path / "out")
    assert "license: CC0-1.0" in caplog.text


@pytest.fixture
def exported(tmp_path):
    save_backbone(build_noisy().kept, MODEL, tmp_path / "out", TRANSFORM)
    return tmp_path / "out"


def rewrite(folder: Path, change) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_a_class_of_strangers_is_only_built_when_trusted(exported):
    rewrite(exported, lambda config: config.update(model={"class": "checkpoints.Stranger"}))
    with pytest.raises(ValueError, match="which is not part of jepakit; pass trusted=True"):
        load(exported)
    assert torch.equal(load(exported, trusted=True)(picture()).values, build_noisy().kept(picture()).values)


def test_no_module_is_imported_for_a_class_of_strangers(exported, tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    (tmp_path / "stranger_code.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Model: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for key in ("model", "transform"):
        rewrite(exported, lambda config, key=key: config.update({key: {"class": "stranger_code.Model"}}))
        with pytest.raises(ValueError, match="not part of jepakit"):
            load(exported)
    assert not mark.exists()
    with pytest.raises(ValueError, match="is not a Config"):
        load(exported, trusted=True)
    assert mark.exists(), "trusted imports it, so the test above can fail"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda config: config.update(format=2), "format 2, this jepakit reads 1"),
        (lambda config: config.pop("model"), 'has no "model"'),
        (lambda config: config.update(model=3), '"model" in .* should be an object'),
        (lambda config: config["model"].pop("dim"), "lacks dim"),
        (lambda config: config["model"].update(depth="deep"), "IJEPA.depth should be int"),
        (lambda config: config["model"].update(depth=5), "lacks encoder.blocks.2"),
        (lambda config: config["model"].update(heads=5), "5 heads do not divide a width of 192"),
        (lambda config: config["model"].update(dim=384), "has other sizes than the model"),
        (lambda config: config["transform"].update({"class": "jepakit.family.ijepa.IJEPA"}), "has no field"),
        (lambda config: config.update(transform=config["model"]), "transforms nothing"),
        (lambda config: config.update(model=config["transform"]), "which is no model"),
    ],
)
def test_a_wrong_config_gives_one_sentence(exported, change, words):
    rewrite(exported, change)
    with pytest.raises(ValueError, match=words) as caught:
        load(exported)
    assert "\n" not in str(caught.value)


def test_missing_and_left_over_tensors_are_named(exported):
    path = exported / "backbone.safetensors"
    state = load_file(path)
    save_file(
        {"more": torch.ones(1), **{name: tensor for name, tensor in state.items() if name != "encoder.norm.bias"}}, path
    )
    with pytest.raises(ValueError, match=r"lacks encoder\.norm\.bias and has more, which no part of the model takes"):
        load(exported)


def test_nothing_is_found_where_nothing_is(tmp_path, exported):
    with pytest.raises(ValueError, match="there is no file or folder"):
        load(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no weights"):
        load(tmp_path / "empty")
    (exported / "backbone.safetensors").unlink()
    with pytest.raises(ValueError, match=r"neither model\.safetensors nor backbone\.safetensors"):
        load(exported)
