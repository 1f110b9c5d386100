"""transformers.VJEPA2Model, in and out; of VJEPA2ForVideoClassification, the backbone."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jepakit.data.clip_transform import ClipTransform
from jepakit.family.vjepa2 import VJEPA2, from_official
from jepakit.parts.nn.backbone import Backbone
from jepakit.pretrained import clips
from jepakit.pretrained.families import Reading, Written, require_equal, require_numbers
from jepakit.pretrained.networks import placed
from jepakit.weights.files import read_json
from jepakit.weights.ijepa import shapes_of
from jepakit.weights.keys import State, listed
from jepakit.weights.processor import read_video_processor, write_video_processor
from jepakit.weights.vjepa import (
    HF_BLOCK,
    LICENSES,
    EncoderSizes,
    PredictorSizes,
    encoder_sizes,
    hugging_face_map,
    hugging_face_predictor_sizes,
)

LICENSE, RELEASED = LICENSES["V-JEPA 2"], "hf:facebook/vjepa2"
HEAD = ("pooler.", "classifier.")
# What transformers takes for a field that a config.json leaves out (VJEPA2Config, transformers 5.23).
DEFAULTS: Mapping[str, Any] = {
    "patch_size": 16, "crop_size": 256, "frames_per_clip": 64, "tubelet_size": 2, "hidden_size": 1024, "in_chans": 3,
    "num_attention_heads": 16, "num_hidden_layers": 24, "mlp_ratio": 4.0, "layer_norm_eps": 1e-6, "qkv_bias": True,
    "hidden_act": "gelu", "pred_hidden_size": 384, "pred_num_attention_heads": 12, "pred_num_hidden_layers": 12,
    "pred_num_mask_tokens": 10, "pred_mlp_ratio": 4.0,
}  # fmt: skip
CONFIG, PROCESSOR, OLD_PROCESSOR = "config.json", "video_preprocessor_config.json", "preprocessor_config.json"
PATCHES = "encoder.embeddings.patch_embeddings"


def read(path: Path, described: Mapping[str, Any], theirs: State) -> Reading:
    """Encoder and predictor of a folder. Raises ValueError where weights and config.json disagree."""
    head = [key for key in theirs if key.startswith(HEAD)]
    kept = {key.removeprefix("vjepa2."): tensor for key, tensor in theirs.items() if key not in head}
    shapes = shapes_of(kept)
    encoder = encoder_sizes(shapes, str(path), PATCHES, HF_BLOCK)
    whole = any(key.startswith("predictor.") for key in kept)
    predictor = hugging_face_predictor_sizes(shapes, str(path)) if whole else None
    _compare(described, encoder, predictor, path)
    model = _model(described, encoder, predictor)
    maps = hugging_face_map(encoder.depth, model.predictor_depth, (encoder.tubelet, encoder.patch, encoder.patch))
    parts = [
        {key: tensor for key, tensor in kept.items() if key.startswith("predictor.") is asked}
        for asked in (False, True)
    ]
    state = placed("target.network", maps[0].read(parts[0], str(path)))
    if whole:
        state |= placed("predictor", maps[1].read(parts[1], str(path)))
    notes = [f"{path}: the classifier is apart: jepakit.load_classifier takes {listed(head, 2)}"] if head else []
    transform, note = _transform(path, model)
    return Reading(model, transform, state, (*notes, note))


def write(backbone: Backbone, predictor: State | None, model: VJEPA2) -> Written:
    """What makes a folder. Raises ValueError for what VJEPA2Model cannot compute."""
    if model.positions != "released":
        raise ValueError(
            "transformers.VJEPA2Model has the positions of the released weights, which are no rotations; this model "
            "was trained with exact ones: export to safetensors or onnx"
        )
    if model.image[0] != model.image[1]:
        raise ValueError(f"transformers.VJEPA2Model takes square clips, this model's are {model.image}")
    cell = (model.tubelet, model.patch, model.patch)
    encoder, other = hugging_face_map(model.depth, model.predictor_depth, cell)
    state, notes = encoder.write(backbone.state_dict()), []
    if predictor is not None:
        state |= other.write(predictor)
    else:
        notes.append("there is no predictor to write: transformers draws one anew; call its model with skip_predictor")
    # There, places are counted on a grid of crop_size, so that it has to be the size that pictures really get.
    side = backbone.transform.picture.size if isinstance(backbone.transform, ClipTransform) else model.image[0]
    files = {CONFIG: _description(model, side)}
    if isinstance(backbone.transform, ClipTransform) and _can_process(backbone.transform):
        files[PROCESSOR] = write_video_processor(backbone.transform.picture)
    else:
        notes.append(
            "no file of a video processor is written: that of transformers resizes the shorter side to 256/224 of the "
            "size and cuts out the middle, which is not what the transform of this backbone does"
        )
    return Written(files, state, "feature-extraction", tuple(notes))


def _can_process(transform: ClipTransform) -> bool:
    picture = transform.picture
    return (picture.resize, picture.channels, picture.shorter) == ("shorter_side", 3, clips.shorter_side(picture.size))


def _transform(path: Path, model: VJEPA2) -> tuple[ClipTransform | None, str]:
    usual = clips.usual_transform(model.frames, model.image, model.tubelet, model.channels)
    for name in (PROCESSOR, OLD_PROCESSOR):
        if usual is not None and (path / name).is_file():
            picture = read_video_processor(read_json(path / name), str(path / name))
            return replace(usual, picture=picture), f"{path} does not say which frames: every {clips.STEP}th is assumed"
    return usual, clips.describe(usual)


def _model(described: Mapping[str, Any], encoder: EncoderSizes, predictor: PredictorSizes | None) -> VJEPA2:
    side = described["crop_size"]
    return replace(
        from_official(encoder, predictor, described["num_attention_heads"]),
        frames=described["frames_per_clip"],
        image=(side, side),
        predictor_heads=described["pred_num_attention_heads"],
        eps=float(described["layer_norm_eps"]),
    )


def _compare(described: Mapping[str, Any], encoder: EncoderSizes, predictor: PredictorSizes | None, path: Path) -> None:
    found: dict[str, Any] = {
        "hidden_size": encoder.dim,
        "num_hidden_layers": encoder.depth,
        "in_chans": encoder.channels,
        "tubelet_size": encoder.tubelet,
        "patch_size": encoder.patch,
        "hidden_act": "gelu",
        "qkv_bias": True,
    }
    if predictor is not None:
        found |= {
            "pred_hidden_size": predictor.width,
            "pred_num_hidden_layers": predictor.depth,
            "pred_num_mask_tokens": predictor.mask_tokens,
            "pred_mlp_ratio": 4,
        }
    require_equal(described, found, path / CONFIG)
    require_numbers(described, ("mlp_ratio", "layer_norm_eps"), path / CONFIG)
    if int(encoder.dim * described["mlp_ratio"]) != encoder.hidden:
        raise ValueError(
            f"{path}/{CONFIG} says mlp_ratio is {described['mlp_ratio']}, the weights have {encoder.hidden}"
        )
    numbers = ("crop_size", "frames_per_clip", "num_attention_heads", "pred_num_attention_heads")
    if odd := [f"{key} {described[key]!r}" for key in numbers if type(described[key]) is not int or described[key] < 1]:
        raise ValueError(f"{path}/{CONFIG} has {', '.join(odd)}; whole numbers above 0 were expected")


def _description(model: VJEPA2, side: int) -> dict[str, Any]:
    return {
        "architectures": ["VJEPA2Model"],
        "model_type": "vjepa2",
        "hidden_size": model.dim,
        "num_hidden_layers": model.depth,
        "num_attention_heads": model.heads,
        "mlp_ratio": _ratio(model),
        "hidden_act": "gelu",
        "layer_norm_eps": model.eps,
        "qkv_bias": True,
        "in_chans": model.channels,
        "crop_size": side,
        "frames_per_clip": model.frames,
        "patch_size": model.patch,
        "tubelet_size": model.tubelet,
        "pred_hidden_size": model.predictor_dim,
        "pred_num_hidden_layers": model.predictor_depth,
        "pred_num_attention_heads": model.predictor_heads,
        "pred_num_mask_tokens": model.mask_tokens,
        "pred_mlp_ratio": 4.0,
        "torch_dtype": "float32",
    }


def _ratio(model: VJEPA2) -> float:
    """What transformers multiplies by the width and cuts to a whole number, to get the width of the MLP."""
    hidden = round(model.dim * model.mlp_ratio)
    ratio = hidden / model.dim
    return ratio if int(model.dim * ratio) == hidden else math.nextafter(ratio, math.inf)
