"""Distillation: the trained network that answers is given its weights when a run begins; checkpoints hold them then."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jepakit.config import Config
from jepakit.data.latents import Latents
from jepakit.family.ijepa import IJEPA
from jepakit.family.vjepa import VJEPA, MaskedClips
from jepakit.family.vjepa2 import VJEPA2
from jepakit.family.vjepa21 import VJEPA21
from jepakit.parts.targets import DistilledTarget, TrainedTarget
from jepakit.pretrained.frozen import FrozenModel, adopt_frozen, fill_frozen
from jepakit.pretrained.latents import prepare
from jepakit.pretrained.load import open_weights
from jepakit.pretrained.networks import build_empty, fill
from jepakit.pretrained.start import Tell, initialize_from, with_positions
from jepakit.pretrained.weights import Source

Initialize = Callable[[Any], Mapping[str, str]]
CUT: Mapping[type[Config], tuple[str, ...]] = {
    IJEPA: ("image", "patch", "channels", "positions", "eps"),
    VJEPA: ("frames", "image", "tubelet", "patch", "channels", "positions", "eps"),
    VJEPA2: ("tubelet", "patch", "channels", "positions", "eps"),
}
"""What a model shares with the frozen encoder that answers it: both speak of the same tokens."""


def adopt_larger(model: Config) -> Config:
    """`model` with its larger, or its frozen, network as wide and deep as the weights that it names.

    Other models stay as they are. Raises ValueError if a network that answers names none, or for weights of one that
    cuts clips in another way.
    """
    if isinstance(model, FrozenModel):
        return adopt_frozen(model)
    if isinstance(model, IJEPA | MaskedClips):
        return adopt_answering(model)
    if not isinstance(model, VJEPA21) or model.larger is None:
        return model
    source = model.larger.source
    if source is None:
        raise ValueError("the model is distilled from a larger network: name its weights, --model.larger.source")
    other = open_weights(source).model
    if not isinstance(other, VJEPA21):
        raise ValueError(f"{source} holds a {type(other).__name__}; a VJEPA21 is distilled from another VJEPA21")
    if (other.cell, other.channels, other.levels) != (model.cell, model.channels, model.levels):
        raise ValueError(f"{source} cuts clips into {other.cell}, the model into {model.cell}: they see other tokens")
    larger = replace(model.larger, dim=other.dim, depth=other.depth, heads=other.heads, mlp_ratio=other.mlp_ratio)
    return replace(model, larger=larger, distilled_from=other.dim)


def adopt_answering(model: IJEPA | MaskedClips) -> Config:
    """`model` with the sizes of the frozen encoder that it names, where one answers (SALT, 2509.24317).

    Raises ValueError if it names none, or one that other tokens are seen with.
    """
    if model.target != "frozen":
        return model
    source = model.frozen.source
    if source is None:
        raise ValueError("a frozen encoder answers: name its weights, --model.frozen.source")
    other = open_weights(source).model
    if not isinstance(other, type(model)):
        raise ValueError(f"{source} holds a {type(other).__name__}, and another {type(model).__name__} has to answer")
    ours, theirs = ({name: getattr(each, name) for name in CUT[type(model)]} for each in (model, other))
    if ours != theirs:
        apart = ", ".join(f"{name} {theirs[name]} and not {ours[name]}" for name in ours if ours[name] != theirs[name])
        raise ValueError(f"{source} was trained with {apart}: give the model the same")
    sizes = {"dim": other.dim, "depth": other.depth, "heads": other.heads, "mlp_ratio": other.mlp_ratio}
    return replace(model, frozen=replace(model.frozen, **sizes))


def fill_larger(source: Source, trusted: bool = False, tell: Tell = print) -> Initialize:
    """A function that gives the network that answers a new Method its weights, those of the kept encoder at `source`.

    It returns their "source" and "license", for every checkpoint holds them. Raises ValueError where they do not fit:
    `adopt_larger` gives a model whose network has their sizes.
    """

    def initialize(method: Any) -> Mapping[str, str]:
        match method.target:
            case DistilledTarget(larger=network) | TrainedTarget(network=network):
                pass
            case _:
                raise ValueError(f"{source} is to answer, but the model has no larger network that could")
        weights = open_weights(source, trusted)
        theirs = build_empty(weights.model)
        state = weights.network("target_encoder", theirs)
        state = with_positions(state, theirs.backbone, network, weights, tell)
        fill(network, state, weights.where)
        method.target.trust()
        tell(f"answers come from {weights.where}")
        return weights.origin

    return initialize


def initializer(
    model: Config, start_from: Source | None, tell: Tell = print, data: Config | None = None, seed: int = 0
) -> Initialize | None:
    """What fills a new Method of a run: the weights that it starts from, those of its larger network, or of its frozen
    one; None if there are none. Where the `data` are latents, they are written first, if they are missing."""
    parts: list[Initialize] = []
    if start_from is not None:
        parts.append(initialize_from(start_from, tell=tell))
    answering = _source_of_answers(model)
    if answering is not None:
        parts.append(fill_larger(answering, tell=tell))
    if isinstance(model, FrozenModel) and isinstance(data, Latents):
        parts.append(prepare(model, data, seed, tell=tell))
    elif isinstance(model, FrozenModel) and model.source is not None:
        parts.append(fill_frozen(model.source, tell=tell))
    if not parts:
        return None

    def initialize(method: Any) -> Mapping[str, str]:
        origins = [part(method) for part in parts]
        keys = dict.fromkeys(key for origin in origins for key in origin)
        return {key: "; ".join(dict.fromkeys(origin[key] for origin in origins if key in origin)) for key in keys}

    return initialize


def _source_of_answers(model: Config) -> str | None:
    match model:
        case VJEPA21(larger=named) if named is not None:
            return named.source
        case IJEPA(frozen=named) | MaskedClips(frozen=named):
            return named.source
    return None
