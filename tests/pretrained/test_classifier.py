"""Attentive classifiers: released probes, our folders, and sources that hold none."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import build_noisy, write_official
from safetensors.torch import save_file
from torch import Tensor

import jepakit
from jepakit.pretrained import convert, load, load_classifier, save_classifier
from jepakit.probes.classifier import AttentiveClassifier

REST: dict[str, Any] = {"opt": [{"state": {}}], "scaler": None, "epoch": 20, "batch_size": 4, "lr": 1e-3}


@torch.no_grad()
def noisy(depth: int, dim: int = 48, heads: int = 4) -> AttentiveClassifier:
    classifier = AttentiveClassifier(dim, heads, depth, classes=7).eval()
    generator = torch.Generator().manual_seed(depth)
    for parameter in classifier.parameters():
        parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return classifier


def tokens(dim: int = 48) -> Tensor:
    return torch.randn(2, 9, dim, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def same(ours: AttentiveClassifier, expected: AttentiveClassifier) -> None:
    """Bit by bit the same tensors, and outputs up to where in memory they lie."""
    state = ours.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.state_dict().items())
    torch.testing.assert_close(ours(tokens()), expected(tokens()), atol=1e-5, rtol=0)


def named(classifier: AttentiveClassifier) -> dict[str, Tensor]:
    return {f"module.{name}": tensor for name, tensor in classifier.state_dict().items()}


def write_first(folder: Path, classifier: AttentiveClassifier) -> Path:
    """As V-JEPA releases it: one classifier, and a projection that nothing reads."""
    dim = classifier.linear.in_features
    unread = {"weight": torch.ones(dim, dim), "bias": torch.ones(dim)}
    state = named(classifier)
    state |= {f"module.pooler.cross_attention_block.xattn.proj.{kind}": value for kind, value in unread.items()}
    torch.save({"classifier": state, **REST}, folder / "probe.pth.tar")
    return folder / "probe.pth.tar"


def write_second(folder: Path, classifier: AttentiveClassifier) -> Path:
    """As V-JEPA 2 releases it: a list, for it trains a grid of them at once."""
    others = [named(noisy(classifier.linear.out_features))]
    torch.save({"classifiers": [named(classifier), *others], **REST}, folder / "probe.pt")
    return folder / "probe.pt"


FILES = {"V-JEPA": (write_first, 1, "CC-BY-NC-4.0"), "V-JEPA 2": (write_second, 4, "MIT")}


@pytest.mark.parametrize("name", FILES)
def test_a_released_probe_is_read_and_converted(name: str, tmp_path: Path) -> None:
    write, depth, license = FILES[name]
    expected = noisy(depth)
    path = write(tmp_path, expected)
    told = convert(path, tmp_path / "ours", heads=4)
    assert f"license: {license}" in told
    assert "left out: batch_size, epoch, lr, opt, scaler" in told
    assert ("xattn.proj.weight, which nothing reads" in told) == (name == "V-JEPA")
    assert ("the first of 2 is taken" in told) == (name == "V-JEPA 2")
    for again in (load_classifier(path, heads=4), jepakit.load_classifier(tmp_path / "ours")):
        same(again, expected)
        assert not again.training
        assert not any(parameter.requires_grad for parameter in again.parameters())
    described = json.loads((tmp_path / "ours/config.json").read_text())
    assert described["license"] == license
    assert described["classifier"]["eps"] == 1e-5
    assert "model" not in described


def test_heads_are_those_of_the_release_or_stated(tmp_path: Path) -> None:
    path = write_second(tmp_path, noisy(1))
    with pytest.raises(ValueError, match="no published one is 48 wide; state heads="):
        load_classifier(path)
    path = write_second(tmp_path, noisy(1, dim=1408, heads=16))
    assert load_classifier(path).pooler.cross_attention_block.xattn.heads == 16


def test_a_bare_state_is_read_without_a_licence(tmp_path: Path) -> None:
    save_file(noisy(2).state_dict(), tmp_path / "probe.safetensors")
    told = convert(tmp_path / "probe.safetensors", tmp_path / "ours", heads=4)
    assert "license" not in told
    same(load_classifier(tmp_path / "ours"), noisy(2))


@pytest.mark.parametrize("depth", [1, 4])
def test_a_saved_classifier_is_the_same_again(depth: int, tmp_path: Path) -> None:
    ours = noisy(depth)
    ours.names, ours.layers, ours.segments = tuple("abcdefg"), (-2, -1), 3
    save_classifier(noisy(2), tmp_path / "mine.safetensors")
    save_classifier(ours, tmp_path / "mine.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.safetensors"]
    convert(tmp_path / "mine.safetensors", tmp_path / "ours")
    for source in (tmp_path / "mine.safetensors", tmp_path / "ours"):
        again = load_classifier(source)
        same(again, ours)
        assert (again.names, again.layers, again.segments) == (ours.names, ours.layers, ours.segments)
        assert not again.training
        assert again.pooler.cross_attention_block.xattn.heads == 4


def test_a_damaged_classifier_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        load_classifier(tmp_path / "mine.safetensors")


def test_a_probe_is_no_backbone_and_the_other_way_round(tmp_path: Path) -> None:
    path = write_second(tmp_path, noisy(4))
    convert(path, tmp_path / "ours", heads=4)
    for source in (path, tmp_path / "ours"):
        with pytest.raises(ValueError, match=r"a classifier and no backbone; jepakit\.load_classifier takes it"):
            load(source)
    backbone = write_official(tmp_path / "x.pth.tar", build_noisy())
    convert(backbone, tmp_path / "backbone")
    for source in (backbone, tmp_path / "backbone"):
        with pytest.raises(ValueError, match="holds no attentive classifier"):
            load_classifier(source)
    with pytest.raises(ValueError, match=r"there is no file or folder .*nothing"):
        load_classifier(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"module.pooler.query_tokens": None}, "lacks pooler.query_tokens"),
        ({"module.verb.weight": torch.ones(3)}, "has verb.weight, which no part of the model takes"),
        ({"module.linear.bias": torch.ones(3)}, r"linear.bias \[3\] where \[7\] is expected"),
        ({"module.linear.weight": None}, "should have linear.weight with 2 axes, but lacks it"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Tensor | None], words: str, tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in {**named(noisy(2)), **change}.items() if tensor is not None}
    torch.save({"classifiers": [state]}, tmp_path / "probe.pt")
    with pytest.raises(ValueError, match=words):
        load_classifier(tmp_path / "probe.pt", heads=4)
