"""Exports for the reference code: names, prefixes and positions of the release, read again with equal outputs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import checkpoints
import clips
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from jepakit.config import Config
from jepakit.family.ijepa import IJEPA
from jepakit.methods.masked import MaskedJEPA
from jepakit.pretrained import export, load, load_classifier, load_method, open_weights, save_backbone, save_classifier
from jepakit.probes.classifier import AttentiveClassifier

V21 = replace(clips.V21, patch=16, depth=12, predictor_depth=4)
MODELS: dict[str, Any] = {
    "I-JEPA": checkpoints.MODEL, "V-JEPA": clips.V1, "V-JEPA 2": clips.V2, "V-JEPA 2.1": V21,
    "distilled 2.1": replace(V21, distilled_from=80),
}  # fmt: skip


def make_source(folder: Path, model: Any, origin: dict[str, str] | None = None) -> MaskedJEPA:
    """A folder of ours with everything, as a run writes its checkpoints."""
    method = clips.build_noisy(model)
    save_backbone(method.kept, model, folder, origin=origin or {})
    (folder / "backbone.safetensors").unlink()
    save_file(method.state_dict(), folder / "model.safetensors")
    return method


def names_of(model: Any, method: MaskedJEPA) -> dict[str, dict[str, Tensor]]:
    return checkpoints.official_entries(method, model) if isinstance(model, IJEPA) else clips.entries(method, model)


def sample(model: Any) -> Tensor:
    return checkpoints.picture() if isinstance(model, IJEPA) else clips.clip()


@pytest.fixture(scope="module", params=MODELS, ids=MODELS.keys())
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder, model = tmp_path_factory.mktemp("release"), MODELS[request.param]
    method = make_source(folder / "ours", model)
    told = export(folder / "ours", folder / "out", "official")
    return model, method, folder / "out/weights.pt", told


def test_names_are_those_of_the_release(exported) -> None:
    model, method, path, _ = exported
    found, expected = torch.load(path, weights_only=True), names_of(model, method)
    assert found.keys() == expected.keys() | {"epoch", "origin"}
    for name, state in expected.items():
        assert found[name].keys() == state.keys()
        assert all(torch.equal(found[name][key], tensor) for key, tensor in state.items())


@torch.no_grad()
def test_it_is_read_again_with_equal_outputs(exported) -> None:
    model, method, path, told = exported
    assert "both names" not in told
    assert load(path, entry="encoder")(sample(model)).values.equal(method.backbone(sample(model)).values)
    assert load(path)(sample(model)).values.equal(method.kept(sample(model)).values)
    again = load_method(path)
    state = again.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in method.state_dict().items())
    assert open_weights(path).model == replace(model, image=open_weights(path).model.image)


def test_nobody_claims_a_licence_for_what_one_trained_oneself(exported) -> None:
    _, _, path, _ = exported
    assert open_weights(path).origin == {"source": "weights.pt"}


def test_source_and_licence_go_along(tmp_path: Path) -> None:
    path = clips.write_released(tmp_path / "vitl.pt", clips.entries(clips.build_noisy(clips.V1), clips.V1))
    assert "license: CC-BY-NC-4.0" in export(path, tmp_path / "out", "official")
    again = open_weights(tmp_path / "out/weights.pt")
    assert again.origin == {"source": "vitl.pt", "license": "CC-BY-NC-4.0"}
    assert '"license": "CC-BY-NC-4.0"' in (tmp_path / "out/config.json").read_text()


@pytest.mark.parametrize("entry", [None, "target_encoder", "encoder"])
@torch.no_grad()
def test_one_encoder_has_both_names_and_is_stored_once(entry: Any, tmp_path: Path) -> None:
    method = make_source(tmp_path / "ours", clips.V2)
    export(tmp_path / "ours", tmp_path / "both", "official")
    if entry is None:
        save_backbone(method.kept, clips.V2, tmp_path / "alone")
    told = export(tmp_path / ("alone" if entry is None else "ours"), tmp_path / "out", "official", entry)
    assert "one encoder under both names: encoder and target_encoder" in told
    assert ("there is no predictor to write" in told) == (entry is None)
    expected = method.backbone if entry == "encoder" else method.kept
    for name in ("encoder", "target_encoder"):
        again = load(tmp_path / "out/weights.pt", entry=name)
        assert torch.equal(again(clips.clip()).values, expected(clips.clip()).values)
    sizes = [(tmp_path / folder / "weights.pt").stat().st_size for folder in ("out", "both")]
    assert sizes[0] < 0.7 * sizes[1]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (replace(clips.V2, positions="exact"), "its rotary positions are exact, there they are no rotations"),
        (replace(clips.V1, image=(32, 40)), "its pictures are 32 x 40, there they are square"),
        (replace(clips.V1, predictor_heads=6), "its predictor has 6 heads, there it has the 3 of the encoder"),
        (replace(clips.V1, target="pixels"), "its predictor tells pixels"),
        (replace(checkpoints.MODEL, eps=1e-5), "its norms have eps 1e-05, there it is 1e-06"),
        (replace(V21, depth=8), "it has 4 levels of 8 blocks, there are 4 of 12, 24, 40 or 48"),
        (replace(V21, predictor_depth=2), "its predictor has 2 blocks, there it has 4, 8, 12, 20, 24 or 40"),
        (replace(V21, patch=8), "its patches measure 8 pixels, there they measure 14 or 16"),
    ],
)
def test_what_the_reference_code_cannot_compute_is_told(model: Config, words: str, tmp_path: Path) -> None:
    make_source(tmp_path / "ours", model)
    with pytest.raises(ValueError, match=words) as caught:
        export(tmp_path / "ours", tmp_path / "out", "official")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_predictor_that_is_not_there_is_in_nobodys_way(tmp_path: Path) -> None:
    model = replace(clips.V1, predictor_heads=6)
    save_backbone(clips.build_noisy(model).kept, model, tmp_path / "ours")
    assert "there is no predictor" in export(tmp_path / "ours", tmp_path / "out", "official")


def noisy_head(depth: int, dim: int = 192) -> AttentiveClassifier:
    head = AttentiveClassifier(dim, 3, depth, classes=7).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(depth)))
    return head


@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("beside", [True, False])
@torch.no_grad()
def test_a_classifier_is_written_as_both_evaluations_read_it(depth: int, beside: bool, tmp_path: Path) -> None:
    head = noisy_head(depth)
    save_classifier(head, tmp_path / "head.safetensors")
    make_source(tmp_path / "ours", clips.V2)
    if beside:
        export(tmp_path / "ours", tmp_path / "out", "official", classifier=tmp_path / "head.safetensors")
    else:
        export(tmp_path / "head.safetensors", tmp_path / "out", "official")
    assert (tmp_path / "out/weights.pt").exists() == beside
    found = torch.load(tmp_path / "out/probe.pt", weights_only=True)
    assert found.keys() == {"classifiers", "epoch", "origin"} | ({"classifier"} if depth == 1 else set())
    names = {f"module.{name}" for name in head.state_dict()}
    assert found["classifiers"][0].keys() == names
    if depth == 1:
        unread = {f"module.pooler.cross_attention_block.xattn.proj.{kind}" for kind in ("weight", "bias")}
        assert found["classifier"].keys() == names | unread
    again = load_classifier(tmp_path / "out/probe.pt", heads=3)
    tokens = torch.randn(2, 9, 192, generator=torch.Generator().manual_seed(1))
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in head.state_dict().items())
    torch.testing.assert_close(again(tokens), head(tokens), atol=1e-5, rtol=0)


def test_a_classifier_needs_its_backbone(tmp_path: Path) -> None:
    save_classifier(noisy_head(1, dim=96), tmp_path / "head.safetensors")
    make_source(tmp_path / "ours", clips.V2)
    with pytest.raises(ValueError, match="reads tokens of 96 numbers, this backbone gives 192"):
        export(tmp_path / "ours", tmp_path / "out", "official", classifier=tmp_path / "head.safetensors")
    with pytest.raises(ValueError, match="is a classifier alone; name it as classifier beside the backbone"):
        export(tmp_path / "head.safetensors", tmp_path / "out", "hf")
    with pytest.raises(ValueError, match="ours holds no attentive classifier"):
        export(tmp_path / "ours", tmp_path / "out", "official", classifier=tmp_path / "ours")
    with pytest.raises(ValueError, match="ONNX is a backbone alone; leave classifier out"):
        export(tmp_path / "ours", tmp_path / "out", "onnx", classifier=tmp_path / "head.safetensors")
    assert not (tmp_path / "out").exists()


def test_our_own_format_keeps_the_classifier(tmp_path: Path) -> None:
    save_classifier(noisy_head(1), tmp_path / "head.safetensors")
    make_source(tmp_path / "ours", clips.V2)
    export(tmp_path / "ours", tmp_path / "out", classifier=tmp_path / "head.safetensors")
    again = load_classifier(tmp_path / "out").state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in noisy_head(1).state_dict().items())
    assert load(tmp_path / "out").dim == 192
