"""Folders of Hugging Face transformers with an IJepaModel, in and out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jepakit.data.transforms import ImageTransform
from jepakit.family.ijepa import IJEPA, from_official
from jepakit.parts.nn.backbone import Backbone
from jepakit.pretrained.encoders import Encoder, describe_transform, read_encoder, usual_transform
from jepakit.pretrained.networks import placed
from jepakit.pretrained.positions import VECTORS, table_of
from jepakit.pretrained.weights import Weights
from jepakit.weights.files import read_json, read_sharded, write_json, write_safetensors
from jepakit.weights.ijepa import LICENSE, encoder_map
from jepakit.weights.keys import listed
from jepakit.weights.processor import read_processor, write_processor

# Parts of the other I-JEPA classes of transformers: heads, and a mask token that no released model has.
EXTRAS = ("classifier.", "pooler.", "ijepa.pooler.", "embeddings.mask_token", "ijepa.embeddings.mask_token")
# What transformers takes for a field that a config.json leaves out (IJepaConfig, transformers 5.23).
DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    "hidden_act": "gelu", "layer_norm_eps": 1e-12, "image_size": 224, "patch_size": 16, "num_channels": 3,
    "qkv_bias": True,
}  # fmt: skip
CONFIG, PROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"


def is_hugging_face(path: Path) -> bool:
    """Whether this is a folder of transformers."""
    return (path / CONFIG).is_file() and "model_type" in read_json(path / CONFIG)


def read_folder(path: Path, name: str) -> Weights:
    """The encoder of a folder with weights in either naming scheme. `name` is what origin says of it.

    Raises ValueError for another architecture, and where weights and config.json disagree.
    """
    described = {**DEFAULTS, **read_json(path / CONFIG)}
    if described.get("model_type") != "ijepa":
        raise ValueError(f"{path}/{CONFIG} has model_type {described.get('model_type')!r}; jepakit reads ijepa")
    theirs = read_sharded(path)
    extras = [key for key in theirs if key.startswith(EXTRAS)]
    kept = {key: tensor for key, tensor in theirs.items() if key not in extras}
    encoder = read_encoder(kept, str(path), _extent(described, path))
    _compare(described, encoder, path)
    heads, eps = described["num_attention_heads"], described["layer_norm_eps"]
    if type(heads) is not int or not isinstance(eps, float) or heads < 1 or not 0 < eps < 1:
        raise ValueError(
            f"{path}/{CONFIG} has num_attention_heads {heads!r} and layer_norm_eps {eps!r}; a whole number above 0 and "
            "one between 0 and 1 were expected"
        )
    model = from_official(encoder.sizes, None, encoder.extent, heads, encoder.positions, eps)
    notes = [f"{path}: left out: {listed(extras)}", encoder.note] if extras else [encoder.note]
    if (path / PROCESSOR).is_file():
        transform = read_processor(read_json(path / PROCESSOR), str(path / PROCESSOR))
    else:
        transform = usual_transform(model)
        notes.append(describe_transform(transform))
    state = placed("target.network", encoder.state)
    origin = _origin(path, name)
    return Weights(where=str(path), model=model, transform=transform, state=state, origin=origin, notes=tuple(notes))


def write_folder(folder: Path, backbone: Backbone, model: IJEPA, origin: Mapping[str, str]) -> None:
    """config.json, model.safetensors, preprocessor_config.json and a model card for `from_pretrained`.

    Weights get the names of the hub's own files, which every release of transformers reads.
    """
    if not isinstance(backbone.transform, ImageTransform):
        raise ValueError("the backbone has no picture transform to write as preprocessor_config.json; set it first")
    write_json(folder / PROCESSOR, write_processor(backbone.transform))
    write_json(folder / CONFIG, _description(model))
    state = backbone.state_dict() | {VECTORS: table_of(backbone.position)}
    theirs = encoder_map("hf_disk", model.depth, model.patch).write(state)
    write_safetensors(folder / WEIGHTS, theirs, origin)
    (folder / "README.md").write_text(_card(origin), encoding="utf-8")


def stated_license(path: Path) -> str | None:
    """The licence in the front matter of a model card, as the hub shows it."""
    card = path / "README.md"
    if not card.is_file():
        return None
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines[1:] if lines[:1] == ["---"] else []:
        if line.strip() == "---":
            return None
        key, _, value = line.partition(":")
        if key == "license" and value.strip():
            return value.strip().strip("\"'")
    return None


def _origin(path: Path, name: str) -> dict[str, str]:
    license = stated_license(path)
    if license is None and name.startswith("hf:facebook/ijepa"):
        license = LICENSE
    return {"source": name} | ({} if license is None else {"license": license})


def _description(model: IJEPA) -> dict[str, Any]:
    height, width = model.image
    return {
        "architectures": ["IJepaModel"],
        "model_type": "ijepa",
        "hidden_size": model.dim,
        "num_hidden_layers": model.depth,
        "num_attention_heads": model.heads,
        "intermediate_size": round(model.dim * model.mlp_ratio),
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.02,
        "layer_norm_eps": model.eps,
        "image_size": height if height == width else [height, width],
        "patch_size": model.patch,
        "num_channels": model.channels,
        "qkv_bias": True,
        "torch_dtype": "float32",
    }


def _extent(described: Mapping[str, Any], path: Path) -> tuple[int, int]:
    image, patch = described["image_size"], described["patch_size"]
    sides = [image, image] if isinstance(image, int) else image
    if not isinstance(sides, list) or len(sides) != 2 or not all(type(n) is int and n > 0 for n in [*sides, patch]):
        raise ValueError(
            f"{path}/{CONFIG} has image_size {image!r} and patch_size {patch!r}; whole numbers were expected"
        )
    return sides[0] // patch, sides[1] // patch


def _compare(described: Mapping[str, Any], encoder: Encoder, path: Path) -> None:
    sizes = encoder.sizes
    found = {
        "hidden_size": sizes.dim,
        "num_hidden_layers": sizes.depth,
        "intermediate_size": sizes.hidden,
        "num_channels": sizes.channels,
        "patch_size": sizes.patch,
        "hidden_act": "gelu",
        "qkv_bias": True,
    }
    for key, value in found.items():
        if described[key] != value:
            raise ValueError(f"{path}/{CONFIG} says {key} is {described[key]}, the weights are made for {value}")


def _card(origin: Mapping[str, str]) -> str:
    """A model card whose front matter names the licence, if there is one to keep."""
    head = [f"license: {origin['license'].lower()}"] if "license" in origin else []
    source = f" from {origin['source']}" if "source" in origin else ""
    lines = ["---", "library_name: transformers", "pipeline_tag: image-feature-extraction", *head, "---", ""]
    return "\n".join([*lines, f"An I-JEPA encoder, exported by jepakit{source}.", ""])
