"""The released V-JEPA 2-AC: read whole, and what it sees with; and world models that see with weights of others."""

from dataclasses import replace

import pytest
import torch
from checkpoints import MODEL as IJEPA_MODEL
from checkpoints import build_noisy as build_ijepa
from checkpoints import write_official
from clips import V2, build_noisy, entries, write_released

from jepakit.contracts import Observation
from jepakit.family import dinowm, vjepa2_ac
from jepakit.parts.nn.frames import by_frame
from jepakit.pretrained import adopt_larger, convert, initializer, load, load_method, open_weights
from jepakit.pretrained.frozen import fill_frozen
from jepakit.weights.vjepa import encoder_map
from jepakit.weights.vjepa2_ac import predictor_map

# As wide as a published encoder, and 16 heads, so that heads are known; clips are the published ones.
MODEL = replace(
    vjepa2_ac.VIT_G16, dim=192, depth=1, heads=3, mlp_ratio=4.0, predictor_dim=96, predictor_depth=2,
    encoder_positions="released", positions="released", extrinsics=6,
)  # fmt: skip
UNTOLD = replace(MODEL, extrinsics=0)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory):
    """A method, and the file that was written of it: with the layer for the camera that no released model reads."""
    torch.manual_seed(0)
    method, told = UNTOLD.build().eval(), MODEL.build()
    encoder = encoder_map(1, MODEL.cell, table=False).write(method.target.network.network.state_dict())
    predictor = predictor_map(2, extrinsics=False).write(method.dynamics.state_dict())
    camera = predictor_map(2, extrinsics=True).write(told.dynamics.state_dict())
    predictor |= {name: tensor for name, tensor in camera.items() if name.startswith("extrinsics")}
    networks = {
        "encoder": {f"module.backbone.{name}": tensor for name, tensor in encoder.items()},
        "target_encoder": {f"module.backbone.{name}": tensor for name, tensor in encoder.items()},
        "predictor": {f"module.{name}": tensor for name, tensor in predictor.items()},
    }
    return method, write_released(tmp_path_factory.mktemp("ac") / "vjepa2-ac.pt", networks)


def observed():
    generator = torch.Generator().manual_seed(0)
    x, pose = torch.randn(1, 3, 1, 64, 64, generator=generator), torch.rand(1, 1, 7, generator=generator)
    return Observation(x, pose), 0.1 * torch.randn(1, 2, 2, 7, generator=generator)


@torch.no_grad()
def test_it_imagines_what_it_did(released):
    method, path = released
    observation, actions = observed()
    again = load_method(path)
    ours, theirs = (model.imagine(model.encode(observation), actions) for model in (again, method))
    assert torch.equal(ours.latent, theirs.latent)
    assert torch.equal(ours.known, theirs.known)
    assert open_weights(path).model == UNTOLD


@torch.no_grad()
def test_its_eyes_can_be_had_alone(released):
    method, path = released
    x = observed()[0].x
    assert torch.equal(by_frame(load(path)(x)), by_frame(method.kept(x)))


def test_what_is_left_out_is_named(released):
    text = "\n".join(open_weights(released[1]).description())
    assert "left out: extrinsics_encoder" in text
    assert "the encoder is there twice and was not trained" in text
    assert "license: MIT" in text


@torch.no_grad()
def test_it_can_be_kept_as_a_folder_of_ours(released, tmp_path):
    method, path = released
    convert(path, tmp_path / "own", entry="all")
    observation, actions = observed()
    again = load_method(tmp_path / "own")
    ours, theirs = (model.imagine(model.encode(observation), actions).latent for model in (again, method))
    assert torch.equal(ours, theirs)


def test_a_missing_layer_has_a_name(released, tmp_path):
    entries_ = torch.load(released[1])
    del entries_["predictor"]["module.state_encoder.bias"]
    torch.save(entries_, tmp_path / "broken.pt")
    with pytest.raises(ValueError, match=r"predictor of .*broken.pt lacks state_encoder.bias"):
        load_method(tmp_path / "broken.pt")


@torch.no_grad()
def test_it_sees_with_another_v_jepa_2(tmp_path):
    """The model takes its sizes from the source, its frozen network the weights."""
    own = build_noisy(V2)
    path = write_released(tmp_path / "vit.pt", entries(own, V2))
    model = adopt_larger(replace(vjepa2_ac.TINY, source=str(path)))
    assert (model.dim, model.depth, model.encoder_positions) == (V2.dim, V2.depth, "released")
    method = model.build()
    initializer(model, None, tell=lambda line: None)(method)
    pictures = torch.randn(2, 3, 32, 32)
    found = by_frame(method.kept(pictures.unsqueeze(2)))[:, 0]
    seen = own.kept(pictures.unsqueeze(2).expand(-1, -1, 2, -1, -1)).values
    torch.testing.assert_close(found, torch.nn.functional.layer_norm(seen, seen.shape[-1:]))


@torch.no_grad()
def test_dino_wm_sees_with_an_i_jepa(tmp_path):
    own = build_ijepa()
    path = write_official(tmp_path / "ijepa.pth.tar", own)
    model = adopt_larger(replace(dinowm.TINY, source=str(path)))
    assert model.places == 16
    method = model.build()
    initializer(model, None, tell=lambda line: None)(method)
    pictures = torch.randn(2, 3, *IJEPA_MODEL.image)
    assert torch.equal(by_frame(method.kept(pictures.unsqueeze(2)))[:, 0], own.kept(pictures).values)


def test_a_source_of_another_kind_is_refused(tmp_path):
    path = write_official(tmp_path / "ijepa.pth.tar", build_ijepa())
    with pytest.raises(ValueError, match="holds a IJEPA; V-JEPA 2-AC sees with a V-JEPA 2"):
        adopt_larger(replace(vjepa2_ac.TINY, source=str(path)))
    with pytest.raises(ValueError, match="no frozen network"):
        fill_frozen(path)(build_ijepa())
