"""Continued pretraining: what a new method starts with, and what it is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoints import MODEL, build_noisy, picture, write_official

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.family.ijepa import IJEPA
from jepakit.pretrained import (
    adopt_networks,
    adopt_transform,
    convert,
    export,
    initialize_from,
    load,
    open_weights,
    save_backbone,
)
from jepakit.pretrained.positions import resize_table
from jepakit.train.fit import fit
from jepakit.train.run import Run
from jepakit.train.watch import Watch


@pytest.fixture(scope="module")
def source():
    return build_noisy()


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    return write_official(tmp_path_factory.mktemp("start") / "x.pth.tar", source)


def start(path, model=MODEL, entry="target_encoder"):
    told: list[str] = []
    torch.manual_seed(5)
    method = model.build()
    origin = initialize_from(path, entry, tell=told.append)(method)
    return method, "\n".join(told), origin


def equal(one, other) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def test_context_and_target_encoder_start_equal_from_the_target(source, path):
    method, told, origin = start(path)
    assert equal(method.backbone, source.kept)
    assert equal(method.kept, source.kept)
    assert equal(method.predictor, source.predictor)
    assert "context encoder and target start equal" in told
    assert "the predictor starts from" in told
    assert origin == {"source": "x.pth.tar", "license": "CC-BY-NC-4.0"}


def test_the_other_entry_can_be_chosen(source, path):
    method, _, _ = start(path, entry="encoder")
    assert equal(method.backbone, source.backbone)
    assert equal(method.kept, source.backbone)


def test_pictures_are_made_into_input_as_for_the_weights(source, tmp_path):
    trained_with = ImageTransform(size=32, mean=(0.1, 0.2, 0.3))
    save_backbone(source.kept, MODEL, tmp_path / "x", trained_with)
    told: list[str] = []
    data = Images(root="my/photos", transform=ImageTransform(size=224))
    assert adopt_transform(data, tmp_path / "x", tell=told.append) == replace(data, transform=trained_with)
    assert "(0.1, 0.2, 0.3)" in told[0]
    same = replace(data, transform=trained_with)
    assert adopt_transform(same, tmp_path / "x", tell=told.append) is same
    assert len(told) == 1


def test_weights_without_a_transform_leave_that_of_the_data(source, tmp_path):
    save_backbone(source.kept, MODEL, tmp_path / "x")
    data = Images(root="my/photos")
    assert adopt_transform(data, tmp_path / "x") is data


def test_the_target_is_a_copy_and_only_the_encoder_learns(path):
    method, _, _ = start(path)
    assert all(parameter.requires_grad for parameter in method.backbone.parameters())
    assert not any(parameter.requires_grad for parameter in method.kept.parameters())
    ours, theirs = next(method.backbone.parameters()), next(method.kept.parameters())
    assert ours.data_ptr() != theirs.data_ptr()


def test_a_shared_target_needs_one_copy(source, path):
    method, told, _ = start(path, replace(MODEL, target="stop_gradient"))
    assert equal(method.backbone, source.kept)
    assert "the encoder starts from" in told


@pytest.mark.parametrize(
    ("change", "words"), [({"predictor_dim": 48}, "other sizes"), ({"predictor_depth": 3}, "lacks")]
)
def test_a_predictor_that_does_not_fit_starts_anew(change, words, path):
    model = replace(MODEL, **change)
    torch.manual_seed(5)
    fresh = model.build()
    method, told, _ = start(path, model)
    assert equal(method.predictor, fresh.predictor)
    assert "the predictor starts anew" in told
    assert words in told


def test_a_source_without_a_predictor_says_so(source, tmp_path):
    save_backbone(source.kept, MODEL, tmp_path / "out")
    _, told, _ = start(tmp_path / "out")
    assert "has none" in told


@pytest.mark.parametrize(
    ("change", "words"), [({"depth": 3}, r"lacks encoder\.blocks\.2"), ({"dim": 384, "heads": 6}, "has other sizes")]
)
def test_an_encoder_that_does_not_fit_is_told(change, words, path):
    with pytest.raises(ValueError, match=words):
        start(path, replace(MODEL, **change))


def test_positions_for_another_grid_are_refused_and_adopted(source, path):
    with pytest.raises(ValueError, match=r"made for 4 x 4 cells, the model's for 6 x 6: give the model the image size"):
        start(path, replace(MODEL, image=(48, 48)))
    task = IJEPA(image=(48, 48), patch=8, dim=64, heads=2, masks="random", momentum=(0.9, 1.0))
    model = adopt_networks(task, path)
    assert model == replace(MODEL, masks="random", momentum=(0.9, 1.0))
    method, _, _ = start(path, model)
    assert torch.equal(method.backbone(picture(48, 48)).values, source.kept(picture(48, 48)).values)


def test_a_position_table_is_interpolated_into_the_new_one(tmp_path):
    model = replace(MODEL, positions="table")
    source = build_noisy(model)
    save_backbone(source.kept, model, tmp_path / "out")
    method, told, _ = start(tmp_path / "out", replace(model, image=(48, 32)))
    assert "positions interpolated from 4 x 4 to 6 x 4 cells" in told
    assert torch.equal(method.kept.position.vectors, resize_table(source.kept.position.vectors, (4, 4), (6, 4)))
    x = picture(48, 32)
    torch.testing.assert_close(method.backbone(x).values, load(tmp_path / "out")(x).values)
    assert not method.backbone.position.vectors.requires_grad


def test_a_run_repeats_source_and_licence_and_so_do_its_exports(path, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (8, 48, 48, 3), dtype=np.uint8))
    data = Images(root=str(tmp_path / "x.npy"), transform=ImageTransform(size=48))
    run = Run(model=adopt_networks(MODEL, path), data=data, steps=1, batch=4, workers=0, sinks=(), device="cpu",
              watch=Watch(action="off"))  # fmt: skip
    fit(run, tmp_path / "run", initialize=initialize_from(path, tell=lambda text: None))
    assert open_weights(tmp_path / "run").origin == {"source": "x.pth.tar", "license": "CC-BY-NC-4.0"}
    assert "license: CC-BY-NC-4.0" in export(tmp_path / "run", tmp_path / "hf", "hf")
    assert "license: cc-by-nc-4.0" in (tmp_path / "hf" / "README.md").read_text()
    assert open_weights(tmp_path / "hf").origin["license"] == "cc-by-nc-4.0"


def test_a_converted_whole_starts_like_the_original(source, path, tmp_path):
    assert "license: CC-BY-NC-4.0" in convert(path, tmp_path / "all", "all")
    method, _, _ = start(tmp_path / "all")
    assert equal(method.backbone, source.kept)
    assert equal(method.predictor, source.predictor)
