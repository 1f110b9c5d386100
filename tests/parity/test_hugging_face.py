"""Against transformers.IJepaModel with random weights: the same numbers, in both naming schemes and directions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel, IJepaConfig, IJepaForImageClassification, IJepaModel

from jepakit.data.transforms import IMAGENET_MEAN, IMAGENET_STD, ImageTransform
from jepakit.family.ijepa import IJEPA, TINY
from jepakit.pretrained import export, load, save_backbone
from jepakit.pretrained.positions import VECTORS, table_of
from jepakit.weights.ijepa import encoder_map

TOLERANCE = 1e-5
SIZES = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128}
CONFIG = IJepaConfig(**SIZES, image_size=32, patch_size=8, layer_norm_eps=1e-6)


@torch.no_grad()
def add_noise(module: torch.nn.Module, seed: int) -> None:
    """Noise on every parameter, so that biases and norms that start at zero and one cannot hide an error."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))


def build_reference(seed: int = 0, config: IJepaConfig = CONFIG) -> IJepaModel:
    torch.manual_seed(seed)
    model = IJepaModel(config).eval()
    add_noise(model, seed)
    return model


def write_memory_layout(model: IJepaModel, folder: Path) -> None:
    """A folder whose weights have the names of live modules, as `load_state_dict` takes them."""
    model.config.save_pretrained(folder)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")


def write_disk_layout(model: IJepaModel, folder: Path) -> None:
    model.save_pretrained(folder)
    assert any("attention.attention.query" in name for name in load_file(folder / "model.safetensors"))


WRITERS = {"memory": write_memory_layout, "disk": write_disk_layout}


def picture(height: int, width: int, seed: int = 1) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def states(model: IJepaModel, x: Tensor, interpolate: bool = False) -> Tensor:
    return model(x, interpolate_pos_encoding=interpolate).last_hidden_state


@pytest.mark.parametrize("layout", WRITERS)
def test_encoder_equals_hugging_face_in_both_layouts(layout: str, tmp_path: Path) -> None:
    reference = build_reference()
    WRITERS[layout](reference, tmp_path)
    ours = load(tmp_path)
    assert not ours.training
    x = picture(32, 32)
    assert (ours(x).values - states(reference, x)).abs().max() < TOLERANCE


@pytest.mark.parametrize(("height", "width"), [(48, 48), (16, 16), (32, 64), (40, 24), (16, 64)])
def test_other_sizes_are_interpolated_as_hugging_face_does(height: int, width: int, tmp_path: Path) -> None:
    reference = build_reference()
    reference.save_pretrained(tmp_path)
    x = picture(height, width)
    assert (load(tmp_path)(x).values - states(reference, x, interpolate=True)).abs().max() < TOLERANCE


def test_published_positions_are_recognised_and_interpolated(tmp_path: Path) -> None:
    reference = build_reference()
    with torch.no_grad():
        reference.embeddings.position_embeddings.copy_(table_of(TINY.build().backbone.position)[None])
    reference.save_pretrained(tmp_path)
    ours = load(tmp_path)
    assert "position.vectors" not in ours.state_dict()
    for x in (picture(32, 32), picture(24, 56)):
        assert (ours(x).values - states(reference, x, interpolate=True)).abs().max() < TOLERANCE


def test_a_non_square_model_equals_hugging_face(tmp_path: Path) -> None:
    reference = build_reference(config=IJepaConfig(**SIZES, image_size=[16, 64], patch_size=8, layer_norm_eps=1e-6))
    reference.save_pretrained(tmp_path)
    x = picture(16, 64)
    assert (load(tmp_path)(x).values - states(reference, x)).abs().max() < TOLERANCE


def test_a_classifier_gives_its_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = IJepaForImageClassification(CONFIG).eval()
    add_noise(reference, 0)
    x = picture(32, 32)
    for folder, write in ((tmp_path / "disk", write_disk_layout), (tmp_path / "memory", write_memory_layout)):
        folder.mkdir()
        write(reference, folder)
        assert (load(folder)(x).values - states(reference.ijepa, x)).abs().max() < TOLERANCE


def test_shards_are_read(tmp_path: Path) -> None:
    reference = build_reference()
    reference.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    x = picture(32, 32)
    assert (load(tmp_path)(x).values - states(reference, x)).abs().max() < TOLERANCE


def make_source(folder: Path, model: IJEPA, transform: ImageTransform) -> torch.nn.Module:
    torch.manual_seed(3)
    backbone = model.build().kept
    add_noise(backbone, 3)
    save_backbone(backbone, model, folder, transform)
    return backbone.eval()


def test_our_weights_fit_a_live_model_of_transformers(tmp_path: Path) -> None:
    backbone = make_source(tmp_path / "ours", replace(TINY, depth=3, mlp_ratio=128 / 48), SQUASH)
    state = backbone.state_dict() | {VECTORS: table_of(backbone.position)}
    reference = IJepaModel(CONFIG).eval()
    reference.load_state_dict(encoder_map("hf_memory", 3, 8).write(state), strict=True)
    x = picture(32, 32)
    with torch.no_grad():
        assert (backbone(x).values - states(reference, x)).abs().max() < TOLERANCE


SQUASH = ImageTransform(size=32, resize="squash")
SHORTER = ImageTransform(size=32, resize="shorter_side", crop_share=0.875, interpolation="bicubic")


@pytest.mark.parametrize("positions", ["sin_cos", "table"])
@pytest.mark.parametrize("image", [(32, 32), (32, 64)])
def test_our_export_loads_in_transformers_with_equal_output(
    positions: str, image: tuple[int, int], tmp_path: Path
) -> None:
    model = replace(TINY, positions=positions, image=image, mlp_ratio=48 / 11, eps=1e-5)
    backbone = make_source(tmp_path / "ours", model, SQUASH)
    export(tmp_path / "ours", tmp_path / "hf", "hf")
    reference, report = AutoModel.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert isinstance(reference, IJepaModel)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    x = picture(*image)
    with torch.no_grad():
        assert (backbone(x).values - states(reference, x)).abs().max() < TOLERANCE
    assert (load(tmp_path / "hf")(x).values - backbone(x).values).abs().max() < TOLERANCE


@pytest.mark.parametrize("transform", [SQUASH, SHORTER, replace(SQUASH, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))])
def test_the_exported_processor_makes_our_tensor(transform: ImageTransform, tmp_path: Path) -> None:
    make_source(tmp_path / "ours", TINY, transform)
    export(tmp_path / "ours", tmp_path / "hf", "hf")
    processor = AutoImageProcessor.from_pretrained(tmp_path / "hf")
    noise = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((170, 120), Image.Resampling.BICUBIC)
    expected = torch.as_tensor(processor(photo, return_tensors="pt")["pixel_values"][0])
    difference = (transform(photo) - expected).abs()
    one_level = 1 / 255 / min(transform.std)
    assert difference.max() <= 1.01 * one_level
    assert difference.mean() < 0.2 * one_level
    again = load(tmp_path / "hf").transform
    assert isinstance(again, ImageTransform)
    assert again.shorter == transform.shorter
    assert replace(again, crop_share=transform.crop_share) == transform


def test_the_processor_of_transformers_becomes_our_transform(tmp_path: Path) -> None:
    from transformers import ViTImageProcessor

    build_reference().save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    half = (0.5, 0.5, 0.5)
    assert load(tmp_path).transform == ImageTransform(size=32, resize="squash", mean=half, std=half)


def test_without_a_processor_the_usual_transform_is_assumed(tmp_path: Path) -> None:
    build_reference().save_pretrained(tmp_path)
    assert load(tmp_path).transform == ImageTransform(
        size=32, resize="shorter_side", crop_share=0.875, mean=IMAGENET_MEAN, std=IMAGENET_STD
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_hidden_layers": 4}, "num_hidden_layers is 4, the weights are made for 3"),
        ({"hidden_act": "gelu_new"}, "hidden_act is gelu_new"),
        ({"image_size": 64}, "its grid is 8 x 8, but has positions for 16 cells"),
        ({"model_type": "vit"}, "model_type 'vit'; jepakit reads ijepa"),
    ],
)
def test_a_config_that_lies_is_told(change: dict[str, object], words: str, tmp_path: Path) -> None:
    import json

    build_reference().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=words):
        load(tmp_path)
