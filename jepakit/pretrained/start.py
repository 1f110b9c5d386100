"""Continued pretraining: a new method that starts from weights instead of noise."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from jepakit.config import Config
from jepakit.family.ijepa import IJEPA, with_networks_of
from jepakit.family.vjepa import VJEPA
from jepakit.family.vjepa2 import VJEPA2
from jepakit.family.vjepa21 import VJEPA21
from jepakit.parts.nn.position import Rotary
from jepakit.pretrained.load import open_weights
from jepakit.pretrained.networks import build_empty, fill
from jepakit.pretrained.positions import VECTORS, resize_table
from jepakit.pretrained.weights import Entry, Source, Weights
from jepakit.weights.keys import State

Tell = Callable[[str], object]

_CLIP_TASK = {"initialization", "blocks", "block_aspect", "rectangular", "momentum", "target_scale"}
_PREVENTION = {"target", "frozen", "sigreg", "sigreg_on", "sigreg_over"}
# What a model asks of its networks; the rest of its fields says what they are. Rotary positions are of no size, and
# a distilled predictor speaks of a network of its own.
TASKS: Mapping[type[Config], set[str]] = {
    VJEPA: _CLIP_TASK | _PREVENTION | {"masks", "shown"},
    VJEPA2: _CLIP_TASK | _PREVENTION | {"frames", "image", "mask_token"},
    VJEPA21: _CLIP_TASK
    | {"frames", "image", "context_share", "context_ramp", "by_distance", "distance_until", "scale_distance"}
    | {"distilled_from", "larger", "picture_blocks"},
}


def initialize_from(
    source: Source, entry: Entry | None = None, trusted: bool = False, tell: Tell = print
) -> Callable[[Any], Mapping[str, str]]:
    """A function that fills a new Method: context and target encoder alike, and the predictor if one is there and fits.

    It returns "source" and "license", which every checkpoint of the run repeats, and tells what it did, line by line.
    Raises ValueError if the encoder does not fit: `adopt_networks` gives a model of the right sizes.
    """

    def initialize(method: Any) -> Mapping[str, str]:
        weights = open_weights(source, trusted, entry=entry)
        theirs = build_empty(weights.model)
        state = weights.network(entry, theirs)
        state = with_positions(state, theirs.backbone, method.backbone, weights, tell)
        _fill_encoders(method, state, weights, tell)
        _fill_predictor(method, theirs, weights, tell)
        for note in weights.description():
            tell(note)
        return weights.origin

    return initialize


def adopt_networks(model: Config, source: Source, trusted: bool = False) -> Config:
    """`model` with the network sizes of the weights at `source`; its masks and its target stay.

    Positions stay those that the weights were made for: pictures of another size get interpolated ones.
    """
    other = open_weights(source, trusted).model
    if isinstance(model, IJEPA) and isinstance(other, IJEPA):
        return with_networks_of(model, other)
    if type(model) is type(other) and type(model) in TASKS:
        kept = TASKS[type(model)]
        return replace(model, **{at.name: getattr(other, at.name) for at in fields(other) if at.name not in kept})
    raise ValueError(f"{source} holds a {type(other).__name__}, which cannot start a {type(model).__name__}")


def adopt_transform(data: Config, source: Source, trusted: bool = False, tell: Tell = print) -> Config:
    """`data` with the transform that the weights at `source` were trained with, where they name one of its kind."""
    theirs = open_weights(source, trusted).transform
    ours = getattr(data, "transform", None)
    if theirs is None or type(theirs) is not type(ours) or theirs == ours:
        return data
    tell(f"pictures are made into input as for {source}: {theirs}")
    return replace(data, transform=theirs)  # pyright: ignore[reportCallIssue]


def with_positions(state: State, theirs: Any, ours: Any, weights: Weights, tell: Tell) -> State:
    """Stored positions on our grid. Raises ValueError where positions are made in another way, or for another grid."""
    if isinstance(theirs.position, Rotary) or isinstance(ours.position, Rotary):
        if _describe(theirs.position) != _describe(ours.position):
            raise ValueError(
                f"{weights.where} was trained with {_describe(theirs.position)} positions, the model has "
                f"{_describe(ours.position)} ones: give the model those of the weights"
            )
        return state
    old, new = theirs.position.extent, ours.position.extent
    if old == new:
        return state
    if VECTORS in state and VECTORS in ours.state_dict():
        tell(f"positions interpolated from {old[0]} x {old[1]} to {new[0]} x {new[1]} cells")
        return state | {VECTORS: resize_table(state[VECTORS], old, new)}
    raise ValueError(
        f"positions of {weights.where} are made for {old[0]} x {old[1]} cells, the model's for {new[0]} x {new[1]}: "
        "give the model the image size of the weights: pictures of another size then get interpolated positions"
    )


def _describe(position: Any) -> str:
    if not isinstance(position, Rotary):
        return "added"
    return f"{position.variant} rotary" + (f" (scaled to {position.trained})" if position.trained else "")


def _fill_encoders(method: Any, state: State, weights: Weights, tell: Tell) -> None:
    fill(method.backbone, state, weights.where)
    if method.kept is not method.backbone:
        fill(method.kept, state, weights.where)
        tell(f"context encoder and target start equal, from {weights.where}")
    else:
        tell(f"the encoder starts from {weights.where}")


def _fill_predictor(method: Any, theirs: Any, weights: Weights, tell: Tell) -> None:
    state = weights.predictor
    if state is None:
        tell(f"the predictor starts anew: {weights.where} has none")
        return
    # Rotary positions are of no grid, and those of the encoders were compared.
    if not isinstance(theirs.predictor.position, Rotary) and (
        theirs.predictor.position.extent != method.predictor.position.extent
    ):
        tell("the predictor starts anew: the one at hand was made for another grid")
        return
    try:
        fill(method.predictor, state, weights.where)
        tell(f"the predictor starts from {weights.where}")
    except ValueError as error:
        tell(f"the predictor starts anew: {error}")
