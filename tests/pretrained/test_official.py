"""Released checkpoints: both encoders, the predictor, what is left out, and what is wrong, in one sentence."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints import MODEL, build_noisy, official_entries, picture, write_official
from safetensors.torch import save_file

from jepakit.contracts import Rows, step_at
from jepakit.data.transforms import ImageTransform
from jepakit.pretrained import load, load_method, open_weights


@pytest.fixture(scope="module")
def method():
    return build_noisy()


@pytest.fixture(scope="module")
def path(method, tmp_path_factory) -> Path:
    return write_official(tmp_path_factory.mktemp("official") / "IN1K-vit.h.14-300e.pth.tar", method)


def test_the_target_encoder_is_the_default_and_the_encoder_can_be_chosen(method, path):
    x = picture()
    assert torch.equal(load(path)(x).values, method.kept(x).values)
    assert torch.equal(load(path, entry="encoder")(x).values, method.backbone(x).values)
    assert not torch.equal(method.kept(x).values, method.backbone(x).values)


def test_the_whole_method_gives_the_same_loss(method, path):
    step = step_at(0, 1, Rows(0, 2, 2))
    again = load_method(path)
    assert again.predictor.mask_tokens.shape == (1, 24)
    with torch.no_grad():
        assert torch.equal(
            again({"x": picture()}, step).total, method({"x": picture()}, step_at(0, 1, Rows(0, 2, 2))).total
        )


def test_the_model_is_read_from_shapes(path):
    model = open_weights(path).model
    assert model == MODEL


def test_everything_left_out_is_named_and_the_licence_kept(path):
    weights = open_weights(path)
    text = "\n".join(weights.description())
    assert "left out: batch_size, epoch, loss, lr, opt, scaler, world_size" in text
    assert text.count("sines and cosines: left out, computed instead") == 2
    assert weights.origin == {"source": path.name, "license": "CC-BY-NC-4.0"}
    assert "license: CC-BY-NC-4.0" in text


def test_the_usual_transform_is_assumed(path):
    transform = load(path).transform
    assert transform == ImageTransform(size=32, resize="shorter_side", crop_share=0.875)
    assert "names no transform" in "\n".join(open_weights(path).notes)
    assert load(path, image=48).transform == replace(transform, size=48)


def test_another_image_size_gets_interpolated_positions(path):
    backbone = load(path, image=48)
    assert backbone(picture(48, 48)).extent == (6, 6)


@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone.", "backbone."])
def test_every_prefix_is_stripped(method, prefix, tmp_path):
    path = write_official(tmp_path / "x.pth.tar", method, prefix=prefix)
    assert torch.equal(load(path)(picture()).values, method.kept(picture()).values)


def test_a_bare_encoder_is_read_without_a_licence(method, tmp_path):
    state = official_entries(method)["encoder"]
    torch.save(state, tmp_path / "x.pt")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "x.safetensors")
    for name in ("x.pt", "x.safetensors"):
        weights = open_weights(tmp_path / name)
        assert weights.origin == {"source": name}
        assert torch.equal(weights.backbone()(picture()).values, method.backbone(picture()).values)


def test_heads_of_an_unpublished_width_must_be_stated(tmp_path):
    model = replace(MODEL, dim=48, heads=4)
    narrow = build_noisy(model)
    path = write_official(tmp_path / "x.pth.tar", narrow, model)
    with pytest.raises(ValueError, match="state heads="):
        load(path)
    assert torch.equal(load(path, heads=4)(picture()).values, narrow.kept(picture()).values)


def test_sines_and_cosines_tell_a_non_square_grid(tmp_path):
    model = replace(MODEL, image=(16, 64))
    method = build_noisy(model)
    path = write_official(tmp_path / "x.pth.tar", method, model)
    assert open_weights(path).model == model
    assert load(path).transform is None
    with pytest.raises(ValueError, match="no picture transform"):
        load(path, image=32)


def test_a_file_with_one_of_the_encoders(method, tmp_path):
    entries = official_entries(method)
    torch.save({"encoder": entries["encoder"]}, tmp_path / "x.pth.tar")
    with pytest.raises(ValueError, match="has no target_encoder; choose entry='encoder'"):
        load(tmp_path / "x.pth.tar")
    assert torch.equal(load(tmp_path / "x.pth.tar", "encoder")(picture()).values, method.backbone(picture()).values)
    torch.save({"target_encoder": entries["target_encoder"]}, tmp_path / "y.pth.tar")
    with pytest.raises(ValueError, match="holds one network only"):
        load(tmp_path / "y.pth.tar", "encoder")
    with pytest.raises(ValueError, match="no whole method: backbone, predictor would be missing"):
        load_method(tmp_path / "y.pth.tar")


def changed(method, network: str, change):
    entries = official_entries(method)
    entries[network] = change(dict(entries[network]))
    return entries


def without(name):
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


def with_noise(name):
    return lambda state: state | {name: state[name] + 0.01}


@pytest.mark.parametrize(
    ("network", "change", "words"),
    [
        ("target_encoder", without("module.norm.bias"), "target_encoder of .* lacks norm.bias"),
        ("encoder", without("module.blocks.0.attn.qkv.bias"), "encoder of .* lacks blocks.0.attn.qkv.bias"),
        (
            "target_encoder",
            lambda state: state | {"module.head.weight": torch.ones(1)},
            "has head.weight, which no part",
        ),
        ("target_encoder", lambda state: state | {"cls": torch.ones(1)}, "holds no encoder of a published JEPA"),
        ("predictor", without("module.mask_token"), "predictor of .* lacks mask_token"),
        (
            "predictor",
            with_noise("module.predictor_pos_embed"),
            "predictor_pos_embed .* differs from sines and cosines",
        ),
        ("target_encoder", lambda state: state | {"module.norm.bias": 3}, "it also holds module.norm.bias"),
        ("encoder", with_noise("module.pos_embed"), "have different sizes"),
    ],
)
def test_what_does_not_fit_is_named(method, network, change, words, tmp_path):
    torch.save(changed(method, network, change), tmp_path / "x.pth.tar")
    with pytest.raises(ValueError, match=words) as caught:
        load(tmp_path / "x.pth.tar")
    assert "\n" not in str(caught.value)


def test_a_tensor_of_another_size_is_named(method, tmp_path):
    wrong = changed(method, "target_encoder", lambda state: state | {"module.norm.bias": torch.ones(7)})
    torch.save(wrong, tmp_path / "x.pth.tar")
    with pytest.raises(ValueError, match=r"encoder\.norm\.bias \[7\] where \[192\] is expected"):
        load(tmp_path / "x.pth.tar")


def test_positions_that_are_no_formula_are_kept(method, tmp_path):
    entries = official_entries(method)
    for name in ("encoder", "target_encoder"):
        entries[name] = with_noise("module.pos_embed")(entries[name])
    torch.save(entries, tmp_path / "x.pth.tar")
    weights = open_weights(tmp_path / "x.pth.tar")
    assert weights.model.positions == "table"
    assert "is not sines and cosines: kept" in "\n".join(weights.notes)
    backbone = weights.backbone()
    torch.testing.assert_close(backbone.position.vectors, entries["encoder"]["module.pos_embed"][0])
    assert not torch.allclose(backbone(picture()).values, method.kept(picture()).values)


def test_half_precision_becomes_float32(method, tmp_path):
    entries = official_entries(method)
    halved = {name: {key: tensor.bfloat16() for key, tensor in state.items()} for name, state in entries.items()}
    for name in ("encoder", "target_encoder"):
        halved[name]["module.pos_embed"] = entries[name]["module.pos_embed"]
    halved["predictor"]["module.predictor_pos_embed"] = entries["predictor"]["module.predictor_pos_embed"]
    torch.save(halved, tmp_path / "x.pth.tar")
    backbone = load(tmp_path / "x.pth.tar")
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
    torch.testing.assert_close(backbone(picture()).values, method.kept(picture()).values, atol=0.05, rtol=0.05)


def test_the_file_may_change_after_loading(method, tmp_path):
    path = write_official(tmp_path / "x.pth.tar", method)
    backbone = load(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    assert torch.equal(backbone(picture()).values, method.kept(picture()).values)
