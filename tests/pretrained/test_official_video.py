"""Released V-JEPA, V-JEPA 2 and 2.1 files: which is which, both encoders, the predictor, what is wrong."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from clips import DISTILLED, V1, V2, V21, build_noisy, clip, entries, with_stale, write_released
from safetensors.torch import save_file

from jepakit.contracts import Rows, step_at
from jepakit.data.clip_transform import ClipTransform
from jepakit.pretrained import convert, export, load, load_method, open_weights
from jepakit.pretrained.weights import require_entry
from jepakit.tokens import Places

MODELS = {"V-JEPA": V1, "V-JEPA 2": V2, "V-JEPA 2.1": V21, "distilled 2.1": DISTILLED}
LICENSES = {"V-JEPA": "CC-BY-NC-4.0", "V-JEPA 2": "MIT", "V-JEPA 2.1": "MIT", "distilled 2.1": "MIT"}


@pytest.fixture(scope="module", params=MODELS, ids=MODELS.keys())
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A file of each family: its name, its model, the method that it was made of, and where it is."""
    model = MODELS[request.param]
    method = build_noisy(model)
    networks = entries(method, model)
    networks = with_stale(networks) if request.param == "V-JEPA 2" else networks
    return request.param, model, method, write_released(tmp_path_factory.mktemp("released") / "vit.pt", networks)


@torch.no_grad()
def test_both_encoders_are_there_and_the_average_is_the_default(released) -> None:
    _, _, method, path = released
    assert torch.equal(load(path)(clip()).values, method.kept(clip()).values)
    assert torch.equal(load(path, entry="encoder")(clip()).values, method.backbone(clip()).values)
    assert not torch.equal(method.kept(clip()).values, method.backbone(clip()).values)


def test_the_model_is_read_from_names_and_shapes(released) -> None:
    _, model, _, path = released
    assert open_weights(path).model == model


@torch.no_grad()
def test_the_predictor_says_the_same(released) -> None:
    _, _, method, path = released
    again = load_method(path)
    tokens = method.backbone(clip(), layers=method.levels)
    places = Places(tokens.coords[:, None, 20:])
    context = tokens.take(torch.arange(20).expand(2, -1))
    ours, theirs = again.predictor(context, places, 1), method.predictor(context, places, 1)
    assert torch.equal(ours.places.values, theirs.places.values)
    assert (ours.context is None) == (theirs.context is None)
    if ours.context is not None:
        assert torch.equal(ours.context.values, theirs.context.values)


def test_everything_left_out_is_named_and_the_licence_kept(released) -> None:
    name, _, _, path = released
    weights = open_weights(path)
    text = "\n".join(weights.description())
    assert "left out: batch_size, epoch, loss, lr, opt, scaler, world_size" in text
    assert weights.origin == {"source": path.name, "license": LICENSES[name]}
    assert text.count("is sines and cosines: left out, computed instead") == (2 if name == "V-JEPA" else 0)
    assert text.count("left out: pos_embed, which rotary positions replaced") == (2 if name == "V-JEPA 2" else 0)
    assert text.count("left out: predictor_pos_embed") == (1 if name == "V-JEPA 2" else 0)
    assert ("speaks of a network 80 wide" in text) == (name == "distilled 2.1")


def test_the_usual_transform_is_assumed(released) -> None:
    name, model, _, path = released
    transform = load(path).transform
    assert isinstance(transform, ClipTransform)
    shorter = {32: 36, 256: 292, 384: 438}[model.image[0]]
    assert (transform.picture.size, transform.picture.shorter) == (model.image[0], shorter)
    assert (transform.sampling.frames, transform.sampling.step, transform.tubelet) == (model.frames, 4, 2)
    assert transform.still == ("single" if "2.1" in name else "repeat")
    assert f"shorter side to {shorter}" in "\n".join(open_weights(path).notes)
    other = load(path, image=384).transform
    assert isinstance(other, ClipTransform)
    assert (other.picture.size, other.picture.shorter) == (384, 438 if model.image[0] != 32 else 432)


def test_an_export_is_read_again(released, tmp_path: Path) -> None:
    _, model, method, path = released
    told = export(path, tmp_path / "ours")
    assert "license: " in told
    again = load(tmp_path / "ours")
    with torch.no_grad():
        assert torch.equal(again(clip()).values, method.kept(clip()).values)
    assert again.transform == load(path).transform
    assert open_weights(tmp_path / "ours").model == model


@pytest.mark.parametrize("positions", ["uniform", "half_time"])
@pytest.mark.parametrize("image", [(32, 32), (16, 40)])
@pytest.mark.parametrize("frames", [4, 12])
def test_the_table_tells_the_grid_and_how_axes_share_it(positions, image, frames: int, tmp_path: Path) -> None:
    model = replace(V1, positions=positions, image=image, frames=frames)
    path = write_released(tmp_path / "x.pth.tar", entries(build_noisy(model), model))
    assert open_weights(path).model == model


def test_distilled_files_give_their_average_and_have_no_loss(tmp_path: Path) -> None:
    method = build_noisy(DISTILLED)
    networks = entries(method, DISTILLED)
    networks["target_encoder"] = {"module.of": torch.ones(1)}
    path = write_released(tmp_path / "x.pt", networks)
    assert "target_encoder" in open_weights(path).notes[0]
    with torch.no_grad():
        assert torch.equal(load(path)(clip()).values, method.kept(clip()).values)
    with pytest.raises(ValueError, match="a network 80 wide that is not part of this model"):
        load_method(path)({"x": clip()}, step_at(0, 1, Rows(0, 2, 2)))


def changed(model: Any, network: str, change) -> dict[str, dict[str, torch.Tensor]]:
    networks = entries(build_noisy(model), model)
    networks[network] = change(dict(networks[network]))
    return networks


def without(name: str):
    return lambda state: {key: tensor for key, tensor in state.items() if key != f"module.backbone.{name}"}


def and_also(name: str, tensor: torch.Tensor | None = None):
    return lambda state: state | {f"module.backbone.{name}": torch.ones(1) if tensor is None else tensor}


def with_noise(name: str):
    return lambda state: state | {f"module.backbone.{name}": state[f"module.backbone.{name}"] + 0.01}


@pytest.mark.parametrize(
    ("model", "network", "change", "words"),
    [
        (V1, "target_encoder", without("norm.bias"), "target_encoder of .* lacks norm.bias"),
        (V1, "target_encoder", with_noise("pos_embed"), "differs from V-JEPA's sines and cosines by 0.01 on every"),
        (V1, "predictor", with_noise("predictor_pos_embed"), "predictor_pos_embed of .* differs from sines and cos"),
        (V1, "predictor", and_also("mask_tokens.2", torch.ones(1, 1, 48)), "V-JEPA uses and V-JEPA 2 carries along"),
        (V2, "encoder", without("blocks.1.mlp.fc2.bias"), "encoder of .* lacks blocks.1.mlp.fc2.bias"),
        (V2, "predictor", and_also("action_encoder.weight"), "has action_encoder.weight, which no part"),
        (V2, "encoder", and_also("cls_token"), "encoder of .* has cls_token, which no part of the model takes"),
        (V21, "target_encoder", without("norms_block.1.weight"), "target_encoder of .* lacks norms_block.1.weight"),
        (V21, "target_encoder", without("img_mod_embed"), "lacks img_mod_embed"),
        (V21, "predictor", without("predictor_proj_context.bias"), "lacks predictor_proj_context.bias"),
        (V21, "target_encoder", and_also("norms_block.4.weight"), "has 5 level norms on 4 blocks"),
        (V21, "target_encoder", and_also("pos_embed"), "has pos_embed, which no part of the model takes"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(model: Any, network: str, change, words: str, tmp_path: Path) -> None:
    path = write_released(tmp_path / "x.pt", changed(model, network, change))
    with pytest.raises(ValueError, match=words) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_bare_encoder_with_a_table_could_be_either(tmp_path: Path) -> None:
    torch.save(entries(build_noisy(V1), V1)["encoder"], tmp_path / "x.pt")
    with pytest.raises(ValueError, match="give the file as it was released"):
        load(tmp_path / "x.pt")


@pytest.mark.parametrize(("model", "name"), [(V1, "V-JEPA"), (V2, "V-JEPA 2"), (V21, "V-JEPA 2.1")])
def test_heads_of_an_unpublished_width_must_be_stated(model: Any, name: str, tmp_path: Path) -> None:
    narrow = replace(model, dim=48, heads=4)
    method = build_noisy(narrow)
    path = write_released(tmp_path / "x.pt", entries(method, narrow))
    with pytest.raises(ValueError, match=f"no published {name} is 48 wide; state heads="):
        load(path)
    with torch.no_grad():
        assert torch.equal(load(path, heads=4)(clip()).values, method.kept(clip()).values)


@pytest.mark.parametrize(("model", "heads"), [(V1, 16), (V2, 22), (V21, 22)])
def test_the_giant_has_the_heads_of_its_generation(model: Any, heads: int, tmp_path: Path) -> None:
    wide = replace(model, dim=1408, heads=heads, depth=4 if model is V21 else 1, mlp_ratio=1 / 64)
    state = entries(build_noisy(wide), wide)
    path = write_released(tmp_path / "x.pt", state)
    assert open_weights(path).model == wide


@pytest.mark.parametrize("model", [V2, V21])
def test_a_bare_encoder_without_a_table_is_read_without_a_licence(model: Any, tmp_path: Path) -> None:
    method = build_noisy(model)
    save_file(entries(method, model)["encoder"], tmp_path / "x.safetensors")
    weights = open_weights(tmp_path / "x.safetensors")
    assert weights.origin == {"source": "x.safetensors"}
    with torch.no_grad():
        assert torch.equal(weights.backbone()(clip()).values, method.backbone(clip()).values)
    with pytest.raises(ValueError, match="holds one network and no whole method: backbone, predictor would be missing"):
        load_method(tmp_path / "x.safetensors")


def test_all_of_a_file_can_be_converted(tmp_path: Path) -> None:
    path = write_released(tmp_path / "x.pt", entries(build_noisy(V21), V21))
    convert(path, tmp_path / "ours", "all")
    ours, again = load_method(path).state_dict(), load_method(tmp_path / "ours").state_dict()
    assert ours.keys() == again.keys()
    assert all(torch.equal(ours[name], again[name]) for name in ours)


@pytest.mark.parametrize("entry", ["ema_encoderr", "online", ""])
def test_an_entry_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=f"there is no entry {entry!r}; an encoder is called target_encoder, ema_"):
        require_entry(entry)


def test_a_slip_of_the_pen_loads_no_other_encoder(tmp_path: Path) -> None:
    """Without the check of annotations that tests have, and users have not."""
    path = write_released(tmp_path / "x.pt", entries(build_noisy(V2), V2))
    words = f"import jepakit\njepakit.load({str(path)!r}, entry='target')"
    found = subprocess.run([sys.executable, "-c", words], check=False, capture_output=True, text=True, timeout=60)
    assert "ValueError: there is no entry 'target'; an encoder is called" in found.stderr


@torch.no_grad()
def test_the_average_of_a_distilled_file_has_a_name_of_its_own(tmp_path: Path) -> None:
    method = build_noisy(DISTILLED)
    path = write_released(tmp_path / "x.pt", entries(method, DISTILLED))
    for entry in (None, "ema_encoder", "target_encoder"):
        assert torch.equal(load(path, entry=entry)(clip()).values, method.kept(clip()).values)
    convert(path, tmp_path / "ours", "ema_encoder")
    assert torch.equal(load(tmp_path / "ours")(clip()).values, method.kept(clip()).values)
    usual = write_released(tmp_path / "y.pt", entries(build_noisy(V21), V21))
    for source in (usual, tmp_path / "ours"):
        with pytest.raises(ValueError, match="has no ema_encoder; leave entry out"):
            load(source, entry="ema_encoder")


@pytest.mark.parametrize("dim", [192, 384], ids=["of its size", "larger"])
@torch.no_grad()
def test_each_of_three_encoders_can_be_had(dim: int, tmp_path: Path) -> None:
    """A distilled file may hold what it was distilled from, too."""
    method, larger = build_noisy(DISTILLED), replace(V21, dim=dim, heads=dim // 64)
    other, networks = build_noisy(larger, seed=5), entries(method, DISTILLED)
    networks["target_encoder"] = entries(other, larger)["target_encoder"]
    path = write_released(tmp_path / "x.pt", networks)
    expected = {None: method.kept, "ema_encoder": method.kept, "encoder": method.backbone, "target_encoder": other.kept}
    for entry, network in expected.items():
        assert torch.equal(load(path, entry=entry)(clip()).values, network(clip()).values)
        left_out = open_weights(path, entry=entry).notes[0]
        assert ("target_encoder" in left_out) == (entry != "target_encoder")
        assert ("ema_encoder, encoder," in left_out) == (entry == "target_encoder")
        assert open_weights(path, entry=entry).origin["license"] == "MIT"
