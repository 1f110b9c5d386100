"""The released checkpoint of V-JEPA 2-AC (.pt), as ours."""

from collections.abc import Mapping

from torch import Tensor

from jepakit.family.vjepa2_ac import from_official
from jepakit.pretrained import clips, vjepa2
from jepakit.pretrained.families import Networks, Reading, read_encoders
from jepakit.pretrained.networks import placed
from jepakit.weights.ijepa import shapes_of
from jepakit.weights.keys import State, count_blocks
from jepakit.weights.vjepa2_ac import CAMERA, LICENSE, PredictorSizes, predictor_map, predictor_sizes, without_camera

__all__ = ["LICENSE", "owns", "read"]
ENCODER = "target.network.network"
"""Where our method has the encoder, of which the released file has two copies: it was not trained."""


def owns(networks: Networks) -> bool:
    """Whether the predictor is told of actions, and asks for no places by mask tokens."""
    names = networks.predictor or {}
    return "action_encoder.weight" in names and not count_blocks(names, "mask_tokens.")


def read(networks: Networks, heads: int | None) -> Reading:
    """Encoder and predictor. Where the file has the encoder twice, the one that answered in training is taken."""
    assert networks.predictor is not None, "a predictor that is told of actions is there"
    name = "target_encoder" if "target_encoder" in networks.encoders else next(iter(networks.encoders))
    one = Networks(networks.where, {name: networks.encoders[name]})
    first, _, notes = read_encoders(one, vjepa2.read_encoder)
    predictor, sizes, left_out = _read_predictor(networks.predictor, f"predictor of {networks.where}")
    model = from_official(first.sizes, sizes, heads)
    transform = clips.usual_transform(model.frames, model.image, model.tubelet, model.channels)
    if len(networks.encoders) > 1:
        notes.append(f"{networks.where}: the encoder is there twice and was not trained: {name} is taken")
    notes += [*left_out, f"clips of {model.frames} frames of {model.image[0]} pixels are assumed"]
    state = placed(ENCODER, first.state) | placed("dynamics", predictor)
    return Reading(model, transform, state, (*notes, clips.describe(transform)))


def _read_predictor(theirs: Mapping[str, Tensor], where: str) -> tuple[State, PredictorSizes, list[str]]:
    sizes = predictor_sizes(shapes_of(theirs), where)
    state = predictor_map(sizes.depth, extrinsics=False).read(without_camera(theirs), where)
    unread = any(name in theirs for name in CAMERA)
    notes = [f"{where}: left out: extrinsics_encoder, for the model was not told where the camera is"] if unread else []
    return state, sizes, notes
