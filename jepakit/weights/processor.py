"""Hugging Face's files of image and video processors and our ImageTransform: the same pixels, said in two ways."""

from collections.abc import Mapping
from typing import Any

from jepakit.data.transforms import IMAGENET_MEAN, IMAGENET_STD, ImageTransform, Interpolation

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
    for switch in ("do_resize", "do_rescale", "do_normalize"):
        if data.get(switch, True) is not True:
            raise ValueError(f"{where} turns {switch} off; a transform of jepakit resizes, rescales and normalizes")
    scale, resample = data.get("rescale_factor", _SCALE), data.get("resample", 2)
    if not isinstance(scale, float) or abs(scale - _SCALE) > 1e-9:
        raise ValueError(f"{where} rescales by {scale}, not by 1/255")
    if not isinstance(resample, int) or resample not in _RESAMPLE:
        raise ValueError(f"{where} resizes with filter {resample}; bilinear (2) and bicubic (3) are known")
    return ImageTransform(
        **_resizing(data, where),
        mean=_colors(data, "image_mean", where),
        std=_colors(data, "image_std", where),
        interpolation=_RESAMPLE[resample],
    )


def write_video_processor(picture: ImageTransform) -> dict[str, Any]:
    """What `VJEPA2VideoProcessor` needs to make the same frames, for a transform that crops as it does."""
    described = write_processor(picture)
    del described["image_processor_type"]
    return {"video_processor_type": "VJEPA2VideoProcessor", **described}


def read_video_processor(data: Mapping[str, Any], where: str) -> ImageTransform:
    """What happens to each frame. VJEPA2VideoProcessor resizes to 256/224 of the crop, whatever its file says."""
    match data.get("crop_size", 256):
        case int(side) | {"height": int(side)}:
            size = {"shortest_edge": side * 256 // 224}
        case other:
            raise ValueError(f"{where} should have crop_size as a number or a height, not {other!r}")
    colors = {"image_mean": list(IMAGENET_MEAN), "image_std": list(IMAGENET_STD)}
    crop = {"height": side, "width": side}
    return read_processor({"do_center_crop": True, **colors, **data, "size": size, "crop_size": crop}, where)


def _colors(data: Mapping[str, Any], key: str, where: str) -> tuple[float, float, float]:
    match data.get(key):
        case [int() | float() as red, int() | float() as green, int() | float() as blue]:
            return float(red), float(green), float(blue)
        case other:
            raise ValueError(f"{where} should have {key} as three numbers, one a color, not {other!r}")


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
        case {"shortest_edge": int(edge)}, {"height": int(height), "width": int(width)} if (
            height == width and cropped and edge
        ):
            return {"size": height, "resize": "shorter_side", "crop_share": height / edge}
    raise ValueError(
        f"{where} resizes to {size} with crop {crop if cropped else None}; known are a square size without a crop, and "
        "a shortest edge with a square crop"
    )
