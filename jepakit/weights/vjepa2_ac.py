"""The released predictor of V-JEPA 2-AC under its own names."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from jepakit.weights.ijepa import OFFICIAL_PREDICTOR_BLOCK, shape_of
from jepakit.weights.keys import KeyMap, Shapes, State, count_blocks, layer

LICENSE = "MIT"
"""Of the released weights (LICENSE file of the reference repository)."""
CAMERA = ("extrinsics_encoder.weight", "extrinsics_encoder.bias")
"""In every released file, although the model that was released is not told where the camera is."""


@dataclass(frozen=True, kw_only=True)
class PredictorSizes:
    """What the shapes of a checkpoint say about its predictor."""

    dim: int
    width: int
    depth: int
    action: int
    state: int


def predictor_map(depth: int, extrinsics: bool) -> KeyMap:
    """Our CausalDynamics and the released predictor, with its layer for the camera where that is read."""
    return KeyMap(
        (
            *layer("telling.embedding", "predictor_embed"),
            *layer("telling.action", "action_encoder"),
            *layer("telling.state", "state_encoder"),
            *(layer("telling.extrinsics", "extrinsics_encoder") if extrinsics else ()),
            *OFFICIAL_PREDICTOR_BLOCK.rules(depth),
            *layer("encoder.norm", "predictor_norm"),
            *layer("head", "predictor_proj"),
        )
    )


def predictor_sizes(shapes: Shapes, where: str) -> PredictorSizes:
    """Sizes of a released predictor. Raises ValueError for what is none."""
    width, dim = shape_of(shapes, "predictor_embed.weight", 2, where)
    return PredictorSizes(
        dim=dim,
        width=width,
        depth=count_blocks(shapes, OFFICIAL_PREDICTOR_BLOCK.stem),
        action=shape_of(shapes, "action_encoder.weight", 2, where)[1],
        state=shape_of(shapes, "state_encoder.weight", 2, where)[1],
    )


def without_camera(state: Mapping[str, Tensor]) -> State:
    """A state without the layer that nothing reads."""
    return {name: tensor for name, tensor in state.items() if name not in CAMERA}
