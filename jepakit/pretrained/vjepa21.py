"""Released V-JEPA 2.1 checkpoints (.pt), distilled ones included, as ours."""

from collections.abc import Mapping

from torch import Tensor

from jepakit.family.vjepa21 import VJEPA21, from_official, spaced
from jepakit.pretrained import clips
from jepakit.pretrained.families import Encoder, Networks, Reading, read_encoders
from jepakit.pretrained.networks import placed
from jepakit.weights.ijepa import shapes_of
from jepakit.weights.keys import State, count_blocks
from jepakit.weights.vjepa import (
    LICENSES,
    DensePredictorSizes,
    dense_predictor_sizes,
    encoder_map_21,
    encoder_sizes,
    predictor_map_21,
)

LICENSE = LICENSES["V-JEPA 2.1"]


def owns(networks: Networks) -> bool:
    """Whether this is an encoder of clips with a norm for each of several levels."""
    return "norms_block.0.weight" in networks.encoder


def read(networks: Networks, heads: int | None) -> Reading:
    """Encoders, and the predictor if there is one."""
    first, state, notes = read_encoders(networks, _read_encoder)
    sizes = None
    if networks.predictor is not None:
        predictor, sizes = _read_predictor(networks.predictor, f"predictor of {networks.where}")
        state |= placed("predictor", predictor)
    model = from_official(first.sizes, sizes, heads)
    if model.distilled_from is not None:
        notes.append(f"{networks.where}: distilled: its predictor speaks of a network {model.distilled_from} wide")
    transform = clips.usual_transform(model.frames, model.image, model.tubelet, model.channels, still="single")
    return Reading(model, transform, state, (*notes, clips.describe(transform)))


def _read_encoder(theirs: Mapping[str, Tensor], where: str) -> Encoder:
    sizes = encoder_sizes(shapes_of(theirs), where)
    levels = count_blocks(theirs, "norms_block.")
    if levels != VJEPA21.levels or sizes.depth % levels:
        raise ValueError(
            f"{where} has {levels} level norms on {sizes.depth} blocks; V-JEPA 2.1 has {VJEPA21.levels}, evenly spaced"
        )
    mapped = encoder_map_21(sizes.depth, spaced(sizes.depth, levels), (sizes.tubelet, sizes.patch, sizes.patch))
    return Encoder(mapped.read(theirs, where), sizes, None, ())


def _read_predictor(theirs: Mapping[str, Tensor], where: str) -> tuple[State, DensePredictorSizes]:
    sizes = dense_predictor_sizes(shapes_of(theirs), where)
    if sizes.levels not in (1, VJEPA21.levels):
        raise ValueError(f"{where} reads {sizes.levels} levels; V-JEPA 2.1 reads {VJEPA21.levels}, or 1 if distilled")
    return predictor_map_21(sizes.depth, sizes.mask_tokens, sizes.levels).read(theirs, where), sizes
