"""I-JEPA's networks under other names, as ours."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from jepakit.data.transforms import ImageTransform
from jepakit.family.ijepa import IJEPA
from jepakit.pretrained.positions import VECTORS, Kind, grid_of, without_table
from jepakit.weights.ijepa import (
    EncoderSizes,
    PredictorSizes,
    encoder_map,
    encoder_sizes,
    layout_of,
    predictor_map,
    predictor_sizes,
    shapes_of,
)
from jepakit.weights.keys import State, strip_prefix

PREFIXES = ("module.backbone.", "module.", "backbone.", "ijepa.")
# What most do on ImageNet: 256 pixels, then 224 of the middle. The release has no code for evaluation.
CROP_SHARE = 0.875


class Encoder(NamedTuple):
    """An encoder under our names, and what was learnt of it on the way."""

    state: State
    sizes: EncoderSizes
    extent: tuple[int, int]
    positions: Kind
    note: str


class Predictor(NamedTuple):
    """A predictor under our names."""

    state: State
    sizes: PredictorSizes


def read_encoder(theirs: Mapping[str, Tensor], where: str, extent: tuple[int, int] | None = None) -> Encoder:
    """An encoder in any naming scheme; `extent` is its grid, if that is known.

    Raises ValueError that names what is missing or left over.
    """
    theirs = strip_prefix(theirs, PREFIXES)
    layout = layout_of(theirs, where)
    sizes = encoder_sizes(layout, shapes_of(theirs), where)
    state = encoder_map(layout, sizes.depth, sizes.patch).read(theirs, where)
    extent, positions = grid_of(state[VECTORS], where, extent)
    rows, columns = extent
    if positions == "sin_cos":
        state = without_table(state, sizes.dim, extent, f"the position table of {where}")
        note = f"{where}: the position table ({rows} x {columns}) is sines and cosines: left out, computed instead"
    else:
        note = f"{where}: the position table ({rows} x {columns}) is not sines and cosines: kept"
    return Encoder(state, sizes, extent, positions, note)


def read_predictor(theirs: Mapping[str, Tensor], extent: tuple[int, int], where: str) -> Predictor:
    """A released predictor. Raises ValueError for wrong names, or positions that are not sines and cosines."""
    theirs = strip_prefix(theirs, PREFIXES)
    sizes = predictor_sizes(shapes_of(theirs), where)
    ours = predictor_map(sizes.depth).read(theirs, where)
    return Predictor(without_table(ours, sizes.width, extent, f"predictor_pos_embed of {where}"), sizes)


def usual_transform(model: IJEPA) -> ImageTransform | None:
    """The usual evaluation transform of a model's size; None for sizes without one (not square, not RGB)."""
    if model.image[0] != model.image[1] or model.channels != 3:
        return None
    return ImageTransform(size=model.image[0], resize="shorter_side", crop_share=CROP_SHARE)


def describe_transform(transform: ImageTransform | None) -> str:
    """What was assumed where a source does not say it."""
    if transform is None:
        return "the source names no transform: set backbone.transform before you give it pictures"
    return (
        f"the source names no transform: shorter side to {transform.shorter}, the middle {transform.size} x "
        f"{transform.size}, mean and std of ImageNet are assumed"
    )
