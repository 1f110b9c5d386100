"""I-JEPA's networks under other names, as ours."""

from collections.abc import Mapping

from torch import Tensor

from jepakit.data.transforms import ImageTransform
from jepakit.family.ijepa import IJEPA, from_official
from jepakit.pretrained.families import Encoder, Networks, Reading, read_encoders
from jepakit.pretrained.networks import placed
from jepakit.pretrained.positions import VECTORS, grid_of, without_table
from jepakit.weights.ijepa import (
    LICENSE,
    PredictorSizes,
    encoder_map,
    encoder_sizes,
    find_layout,
    predictor_map,
    predictor_sizes,
    shapes_of,
)
from jepakit.weights.keys import State

__all__ = ["LICENSE", "owns", "read", "read_encoder", "usual_transform"]

# What most do on ImageNet: 256 pixels, then 224 of the middle. The release has no code for evaluation.
CROP_SHARE = 0.875


def owns(networks: Networks) -> bool:
    """Whether these are vision transformers on patches of pictures, in one of the naming schemes of I-JEPA."""
    return find_layout(shapes_of(networks.encoder)) is not None


def read(networks: Networks, heads: int | None) -> Reading:
    """Encoders and predictor of a released file, or of a single network."""
    first, state, notes = read_encoders(networks, read_encoder)
    extent, positions = first.grid
    sizes = None
    if networks.predictor is not None:
        predictor, sizes = _read_predictor(networks.predictor, extent, f"predictor of {networks.where}")
        state |= placed("predictor", predictor)
    model = from_official(first.sizes, sizes, extent, heads, positions)
    transform = usual_transform(model)
    return Reading(model, transform, state, (*notes, describe(transform)))


def read_encoder(theirs: Mapping[str, Tensor], where: str, extent: tuple[int, int] | None = None) -> Encoder:
    """An encoder in any naming scheme; `extent` is its grid, if that is known. Its `grid` also says what is stored.

    Raises ValueError that names what is missing or left over.
    """
    shapes = shapes_of(theirs)
    layout = find_layout(shapes)
    if layout is None:
        raise ValueError(
            f"{where} holds no I-JEPA encoder: neither the released names (patch_embed.proj.weight, blocks.0...) nor "
            "Hugging Face's (embeddings.patch_embeddings.projection.weight, encoder.layer.0...) are there"
        )
    sizes = encoder_sizes(layout, shapes, where)
    state = encoder_map(layout, sizes.depth, sizes.patch).read(theirs, where)
    extent, positions = grid_of(state[VECTORS], where, extent)
    rows, columns = extent
    if positions == "sin_cos":
        state = without_table(state, extent, f"the position table of {where}")
        note = f"{where}: the position table ({rows} x {columns}) is sines and cosines: left out, computed instead"
    else:
        note = f"{where}: the position table ({rows} x {columns}) is not sines and cosines: kept"
    return Encoder(state, sizes, (extent, positions), (note,))


def _read_predictor(theirs: Mapping[str, Tensor], extent: tuple[int, int], where: str) -> tuple[State, PredictorSizes]:
    """A released predictor. Raises ValueError for wrong names, or positions that are not sines and cosines."""
    sizes = predictor_sizes(shapes_of(theirs), where)
    ours = predictor_map(sizes.depth).read(theirs, where)
    return without_table(ours, extent, f"predictor_pos_embed of {where}"), sizes


def usual_transform(model: IJEPA) -> ImageTransform | None:
    """The usual evaluation transform of a model's size; None for sizes without one (not square, not RGB)."""
    if model.image[0] != model.image[1] or model.channels != 3:
        return None
    return ImageTransform(size=model.image[0], resize="shorter_side", crop_share=CROP_SHARE)


def describe(transform: ImageTransform | None) -> str:
    """What was assumed where a source does not say it."""
    if transform is None:
        return "the source names no transform: set backbone.transform before you give it pictures"
    return (
        f"the source names no transform: shorter side to {transform.shorter}, the middle {transform.size} x "
        f"{transform.size}, mean and std of ImageNet are assumed"
    )
