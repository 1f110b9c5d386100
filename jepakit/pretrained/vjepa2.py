"""Released V-JEPA 2 checkpoints (.pt), as ours."""

from collections.abc import Mapping

from torch import Tensor

from jepakit.family.vjepa2 import from_official
from jepakit.pretrained import clips
from jepakit.pretrained.families import Encoder, Networks, Reading, read_encoders
from jepakit.pretrained.networks import placed
from jepakit.weights.ijepa import shapes_of
from jepakit.weights.keys import count_blocks, listed
from jepakit.weights.vjepa import (
    LICENSES,
    STALE,
    encoder_map,
    encoder_sizes,
    predictor_map,
    predictor_sizes,
    without_stale,
)

LICENSE = LICENSES["V-JEPA 2"]
MASK_TOKENS = 10
"""Two for each of five sources of data, in the released files."""


def owns(networks: Networks) -> bool:
    """Whether this is an encoder of clips without a table of positions, or with one that nothing can have read."""
    shapes = shapes_of(networks.encoder)
    if len(shapes.get("patch_embed.proj.weight", ())) != 5 or "norms_block.0.weight" in shapes:
        return False
    return "pos_embed" not in shapes or count_blocks(networks.predictor or {}, "mask_tokens.") == MASK_TOKENS


def read(networks: Networks, heads: int | None) -> Reading:
    """Encoders, and the predictor if there is one."""
    first, state, notes = read_encoders(networks, read_encoder)
    sizes = None
    if networks.predictor is not None:
        where = f"predictor of {networks.where}"
        sizes = predictor_sizes(shapes_of(networks.predictor), where)
        mapped = predictor_map(sizes.depth, sizes.mask_tokens, table=False)
        state |= placed("predictor", mapped.read(without_stale(networks.predictor), where))
        notes += _stale(networks.predictor, where)
    model = from_official(first.sizes, sizes, heads)
    transform = clips.usual_transform(model.frames, model.image, model.tubelet, model.channels)
    size = f"rotary positions do not tell the size of pictures: {model.image[0]} is assumed, image=384 makes it another"
    return Reading(model, transform, state, (*notes, size, clips.describe(transform)))


def read_encoder(theirs: Mapping[str, Tensor], where: str) -> Encoder:
    """One encoder under our names; tables of positions that nothing reads are left out, and named."""
    sizes = encoder_sizes(shapes_of(theirs), where)
    mapped = encoder_map(sizes.depth, (sizes.tubelet, sizes.patch, sizes.patch), table=False)
    return Encoder(mapped.read(without_stale(theirs), where), sizes, None, tuple(_stale(theirs, where)))


def _stale(theirs: Mapping[str, Tensor], where: str) -> list[str]:
    found = [name for name in STALE if name in theirs]
    return [f"{where}: left out: {listed(found)}, which rotary positions replaced"] if found else []
