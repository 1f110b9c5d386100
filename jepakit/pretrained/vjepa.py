"""Released V-JEPA checkpoints (.pth.tar), as ours."""

from collections.abc import Mapping

from torch import Tensor

from jepakit.family.vjepa import IN_TIME, from_official
from jepakit.parts.nn.position import Shares
from jepakit.pretrained import clips
from jepakit.pretrained.families import Encoder, Networks, Reading, read_encoders
from jepakit.pretrained.networks import placed
from jepakit.pretrained.positions import VECTORS, clip_grid_of, without_table
from jepakit.weights.ijepa import shapes_of
from jepakit.weights.keys import State, count_blocks
from jepakit.weights.vjepa import LICENSES, PredictorSizes, encoder_map, encoder_sizes, predictor_map, predictor_sizes

LICENSE = LICENSES["V-JEPA"]
MASK_TOKENS = 2
"""One for each kind of question. V-JEPA 2 has ten, which tells the two apart where both carry a table of positions."""


def owns(networks: Networks) -> bool:
    """Whether this is an encoder of clips with a table of positions, beside a predictor with two mask tokens."""
    predictor = networks.predictor or {}
    return (
        len(shapes_of(networks.encoder).get("patch_embed.proj.weight", ())) == 5
        and "pos_embed" in networks.encoder
        and count_blocks(predictor, "mask_tokens.") == MASK_TOKENS
    )


def read(networks: Networks, heads: int | None) -> Reading:
    """Encoders and predictor of a released file. Raises ValueError for positions that are not the paper's."""
    first, state, notes = read_encoders(networks, _read_encoder)
    extent, shares = first.grid
    assert networks.predictor is not None, "a file without a predictor is not known to be V-JEPA's"
    predictor, sizes = _read_predictor(networks.predictor, extent, shares, f"predictor of {networks.where}")
    model = from_official(first.sizes, sizes, extent, heads, shares)
    transform = clips.usual_transform(model.frames, model.image, model.tubelet, model.channels)
    state |= placed("predictor", predictor)
    return Reading(model, transform, state, (*notes, clips.describe(transform)))


def _read_encoder(theirs: Mapping[str, Tensor], where: str) -> Encoder:
    sizes = encoder_sizes(shapes_of(theirs), where)
    state = encoder_map(sizes.depth, (sizes.tubelet, sizes.patch, sizes.patch), table=True).read(theirs, where)
    extent, shares = clip_grid_of(state[VECTORS], where)
    note = (
        f"{where}: the position table ({' x '.join(map(str, extent))}) is sines and cosines: left out, computed instead"
    )
    state = {key: tensor for key, tensor in state.items() if key != VECTORS}
    return Encoder(state, sizes, (extent, shares), (note,))


def _read_predictor(
    theirs: Mapping[str, Tensor], extent: tuple[int, int, int], shares: Shares, where: str
) -> tuple[State, PredictorSizes]:
    sizes = predictor_sizes(shapes_of(theirs), where)
    ours = predictor_map(sizes.depth, sizes.mask_tokens, table=True).read(theirs, where)
    return without_table(ours, extent, f"predictor_pos_embed of {where}", IN_TIME, shares), sizes
