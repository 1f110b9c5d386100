"""Hugging Face's preprocessor_config.json and our ImageTransform: the same pixels, said in two ways."""

from collections.abc import Mapping
from typing import Any

from jepakit.data.transforms import ImageTransform, Interpolation

_RESAMPLE: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}  # numbers of Pillow's Resampling
_SCALE = 1 / 255


def write_processor(transform: ImageTransform) -> dict[str, Any]:
    """What `AutoImageProcessor` of transformers needs to make the same tensor, up to rounding of pixels.

    Raises ValueError for one channel: the processors of transformers take colors only.
    """
    if transform.channels != 3:
        raise ValueError(
            f"Hugging Face's image processors make 3 channels, this transform makes {transform.channels}; "
            "export to safetensors or onnx instead"
        )
    size = transform.size
    resample = next(number for number, name in _RESAMPLE.items() if name == transform.interpolation)
    data: dict[str, Any] = {
        "do_convert_rgb": True,
        "do_resize": True,
        "resample": resample,
        "do_rescale": True,
        "rescale_factor": _SCALE,
        "do_normalize": True,
        "image_mean": list(transform.mean),
        "image_std": list(transform.std),
    }
    if transform.resize == "squash":
        return {"image_processor_type": "ViTImageProcessor", "size": {"height": size, "width": size}, **data}
    return {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": transform.shorter},
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        **data,
    }


def read_processor(data: Mapping[str, Any], where: str) -> ImageTransform:
    """The transform that a processor file describes. Raises ValueError for one that we cannot do exactly."""
    mean, std = data.get("image_mean"), data.get("image_std")
    if not (_on(data, "do_resize") and _on(data, "do_rescale") and _on(data, "do_normalize")) or not mean or not std:
        raise ValueError(f"{where} should resize, rescale and normalize; a transform of jepakit does all three")
    if abs(data.get("rescale_factor", _SCALE) - _SCALE) > 1e-9:
        raise ValueError(f"{where} rescales by {data['rescale_factor']}, not by 1/255")
    if data.get("resample", 2) not in _RESAMPLE:
        raise ValueError(f"{where} resizes with filter {data['resample']}; bilinear (2) and bicubic (3) are known")
    if len(mean) != 3 or len(std) != 3:
        raise ValueError(f"{where} normalizes {len(mean)} channels; colors have 3")
    how = _resizing(data, where)
    return ImageTransform(
        **how,
        mean=tuple(map(float, mean)),
        std=tuple(map(float, std)),
        interpolation=_RESAMPLE[data.get("resample", 2)],
    )


def _resizing(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    size, crop = data.get("size"), data.get("crop_size")
    cropped = bool(data.get("do_center_crop", False))
    if isinstance(size, int):
        size = {"height": size, "width": size}
    if isinstance(crop, int):
        crop = {"height": crop, "width": crop}
    match size, crop:
        case {"height": int(height), "width": int(width)}, _ if height == width and not cropped:
            return {"size": height, "resize": "squash"}
        case {"shortest_edge": int(edge)}, {"height": int(height), "width": int(width)} if height == width and cropped:
            return {"size": height, "resize": "shorter_side", "crop_share": height / edge}
    raise ValueError(
        f"{where} resizes to {size} with crop {crop if cropped else None}; known are a square size without a crop, and "
        "a shortest edge with a square crop"
    )


def _on(data: Mapping[str, Any], switch: str) -> bool:
    return bool(data.get(switch, True))
