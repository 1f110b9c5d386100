"""transformers.IJepaModel, in and out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jepakit.data.transforms import ImageTransform
from jepakit.family.ijepa import IJEPA, from_official
from jepakit.parts.nn.backbone import Backbone
from jepakit.pretrained.families import Encoder, Reading, Written, require_equal
from jepakit.pretrained.ijepa import describe, read_encoder, usual_transform
from jepakit.pretrained.networks import placed
from jepakit.pretrained.positions import VECTORS, table_of
from jepakit.weights.files import read_json
from jepakit.weights.ijepa import LICENSE as LICENSE
from jepakit.weights.ijepa import encoder_map
from jepakit.weights.keys import State, listed, strip_prefix
from jepakit.weights.processor import read_processor, write_processor

RELEASED = "hf:facebook/ijepa"
# Parts of the other I-JEPA classes of transformers: heads, and a mask token that no released model has.
EXTRAS = ("classifier.", "pooler.", "ijepa.pooler.", "embeddings.mask_token", "ijepa.embeddings.mask_token")
# What transformers takes for a field that a config.json leaves out (IJepaConfig, transformers 5.23).
DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    "hidden_act": "gelu", "layer_norm_eps": 1e-12, "image_size": 224, "patch_size": 16, "num_channels": 3,
    "qkv_bias": True,
}  # fmt: skip
CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"


def read(path: Path, described: Mapping[str, Any], theirs: State) -> Reading:
    """The encoder of a folder with weights in either naming scheme."""
    extras = [key for key in theirs if key.startswith(EXTRAS)]
    kept = {key: tensor for key, tensor in theirs.items() if key not in extras}
    encoder = read_encoder(strip_prefix(kept, ("ijepa.",)), str(path), _extent(described, path))
    _compare(described, encoder, path)
    heads, eps = described["num_attention_heads"], described["layer_norm_eps"]
    if type(heads) is not int or not isinstance(eps, float) or heads < 1 or not 0 < eps < 1:
        raise ValueError(
            f"{path}/{CONFIG} has num_attention_heads {heads!r} and layer_norm_eps {eps!r}; a whole number above 0 and "
            "one between 0 and 1 were expected"
        )
    extent, positions = encoder.grid
    model = from_official(encoder.sizes, None, extent, heads, positions, eps)
    notes = [f"{path}: left out: {listed(extras)}"] if extras else []
    notes += encoder.notes
    if (path / PROCESSOR).is_file():
        transform = read_processor(read_json(path / PROCESSOR), str(path / PROCESSOR))
    else:
        transform = usual_transform(model)
        notes.append(describe(transform))
    return Reading(model, transform, placed("target.network", encoder.state), tuple(notes))


def write(backbone: Backbone, model: IJEPA) -> Written:
    """What makes a folder. Weights get the names of the hub's own files, which every release of transformers reads."""
    if not isinstance(backbone.transform, ImageTransform):
        raise ValueError("the backbone has no picture transform to write as preprocessor_config.json; set it first")
    state = backbone.state_dict() | {VECTORS: table_of(backbone.position)}
    theirs = encoder_map("hf_disk", model.depth, model.patch).write(state)
    files = {PROCESSOR: write_processor(backbone.transform), CONFIG: _description(model)}
    return Written(files, theirs, pipeline="image-feature-extraction")


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
    require_equal(described, found, path / CONFIG)
