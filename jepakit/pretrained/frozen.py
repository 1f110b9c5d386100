"""World models that see with a network that is trained already: it is given its weights when a run begins."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jepakit.config import Config
from jepakit.family import dinowm, vjepa2_ac
from jepakit.family.condensed import Condensed
from jepakit.family.dinowm import DINOWM
from jepakit.family.ijepa import IJEPA
from jepakit.family.pldm import PLDM
from jepakit.family.vjepa2 import VJEPA2
from jepakit.family.vjepa2_ac import VJEPA2AC
from jepakit.parts.nn.frames import Frames
from jepakit.parts.nn.networks import Around, ViT
from jepakit.parts.nn.summary import Summary
from jepakit.parts.targets import FrozenTarget
from jepakit.pretrained.load import open_weights
from jepakit.pretrained.networks import fill
from jepakit.pretrained.start import Tell
from jepakit.pretrained.weights import Source

FrozenModel = VJEPA2AC | DINOWM | Condensed | PLDM
"""Models that may name the `source` of a network that does not learn."""


def adopt_frozen(model: FrozenModel) -> Config:
    """`model` with a frozen network of the sizes that its source has; one that names no source stays as it is.

    Raises ValueError for weights of a network that the model cannot see with.
    """
    if model.source is None:
        return model
    other = open_weights(model.source).model
    if isinstance(model, PLDM):
        if isinstance(other, PLDM) and type(other) is type(model):
            return replace(model, network=other.network, dim=other.dim)
        raise ValueError(f"{model.source} holds a {type(other).__name__}; {model.title} sees with another of its kind")
    if isinstance(model, Condensed):
        if isinstance(other, VJEPA2):
            return replace(model, encoder=other)
        raise ValueError(f"{model.source} holds a {type(other).__name__}; {model.title} sees with a V-JEPA 2")
    if isinstance(model, VJEPA2AC):
        if isinstance(other, VJEPA2):
            return vjepa2_ac.around(model, other)
        raise ValueError(f"{model.source} holds a {type(other).__name__}; V-JEPA 2-AC sees with a V-JEPA 2")
    if isinstance(other, IJEPA):
        network = ViT(
            image=other.image, patch=other.patch, channels=other.channels, dim=other.dim, depth=other.depth,
            heads=other.heads, mlp_ratio=other.mlp_ratio, eps=other.eps,
        )  # fmt: skip
        return dinowm.around(model, network, network.extent[0] * network.extent[1])
    if isinstance(other, Around) and isinstance(other.network, ViT):
        return dinowm.around(model, other.network, other.network.extent[0] * other.network.extent[1])
    raise ValueError(
        f"{model.source} holds a {type(other).__name__}; DINO-WM sees with a ViT of pictures: an I-JEPA, a LeJEPA, ..."
    )


def fill_frozen(source: Source, trusted: bool = False, tell: Tell = print) -> Callable[[Any], Mapping[str, str]]:
    """A function that gives the frozen network of a new Method its weights, those of the kept encoder at `source`.

    It returns their "source" and "license", for every checkpoint holds them. Raises ValueError where they do not fit:
    `adopt_frozen` gives a model whose network has their sizes.
    """

    def initialize(method: Any) -> Mapping[str, str]:
        target = method.target
        if not isinstance(target, FrozenTarget) or not isinstance(target.network, Frames):
            raise ValueError(f"{source} is to be seen with, but the model has no frozen network")
        weights, sees = open_weights(source, trusted), target.network.network
        theirs = weights.backbone()
        if isinstance(theirs, Frames):  # of another world model, whose head is wanted, too
            sees = target.network
        fill(sees.backbone if isinstance(sees, Summary) else sees, theirs.state_dict(), weights.where)
        tell(f"frames are seen with {weights.where}, which does not learn")
        return weights.origin

    return initialize
