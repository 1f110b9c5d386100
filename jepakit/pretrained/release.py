"""Our networks as files of the reference code: one .pt under the names that its loaders read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from jepakit.config import Config
from jepakit.family.ijepa import IJEPA
from jepakit.family.vjepa import VJEPA, MaskedClips
from jepakit.family.vjepa2 import VJEPA2
from jepakit.family.vjepa21 import TRAINED_GRID, VJEPA21, spaced
from jepakit.pretrained.classifier import Head
from jepakit.pretrained.families import ORIGIN
from jepakit.pretrained.networks import build_empty, name_of, under
from jepakit.pretrained.positions import VECTORS, table_of
from jepakit.pretrained.weights import Entry, Weights
from jepakit.weights import ijepa, vjepa
from jepakit.weights.classifier import UNREAD
from jepakit.weights.keys import KeyMap, State

NETWORKS, PROBE = "weights.pt", "probe.pt"
EPOCH = 0
"""Some loaders print the epoch. Ours count steps, and a model that starts from these weights is at its beginning."""
EPS, CLASSIFIER_EPS = 1e-6, 1e-5
"""Of all norms, in none of the files (released code)."""
DEPTHS, PREDICTOR_DEPTHS = (12, 24, 40, 48), (4, 8, 12, 20, 24, 40)
"""Where V-JEPA 2.1 knows its levels; other depths end in an error there (released code)."""


@dataclass(frozen=True)
class Layout:
    """How the reference code calls the networks of a model: what stands before all names, and the names."""

    prefix: str
    encoder: KeyMap
    predictor: KeyMap
    average: str = "target_encoder"
    table: bool = False
    """Whether positions are stored."""


def write_networks(folder: Path, weights: Weights, entry: Entry | None) -> list[str]:
    """Writes encoders, and the predictor if there is one; returns what a user should read about it.

    The average and the trained encoder have their names; the only one of a source, or the one that `entry` chooses, has
    both, for loaders differ in the one they take. Raises ValueError for a model that the reference code cannot build.
    """
    method, predictor = build_empty(weights.model), weights.predictor
    layout = _layout(weights.model, 0 if predictor is None else len(predictor["mask_tokens"]))
    if reasons := list(_reasons(weights.model, predictor is not None)):
        raise ValueError(f"the reference code cannot compute {weights.where}: {reasons[0]}; export to safetensors")
    parts = {"encoder": method.backbone, layout.average: method.kept}
    found = {name: under(name_of(part, method), weights.state) for name, part in parts.items()}
    alone = entry is not None or method.kept is method.backbone or not all(found.values())
    if alone:
        one = _write(layout.encoder, method.backbone, weights.network(entry, method), layout)
        file: dict[str, Any] = dict.fromkeys(parts, one)
    else:
        file = {name: _write(layout.encoder, method.backbone, state, layout) for name, state in found.items()}
    if predictor is not None:
        file["predictor"] = _write(layout.predictor, method.predictor, predictor, layout)
    torch.save({**file, "epoch": EPOCH, ORIGIN: dict(weights.origin)}, folder / NETWORKS)
    lines = [f"one encoder under both names: {' and '.join(parts)}"] if alone else []
    return lines if predictor is not None else [*lines, "there is no predictor to write"]


def write_probe(folder: Path, head: Head) -> list[str]:
    """Writes a classifier as V-JEPA 2's evaluations read it, and V-JEPA's, too, where it is one block of attention.

    Returns what a user should read about it.
    """
    state = {name: tensor.contiguous() for name, tensor in head.state.items()}
    file: dict[str, Any] = {"classifiers": [_behind("module.", state)]}
    if head.model.depth == 1:
        # V-JEPA's class has a projection that no forward pass reads, and its loader wants it.
        shapes = ((head.model.dim, head.model.dim), (head.model.dim,))
        unread = {name: torch.zeros(shape) for name, shape in zip(UNREAD, shapes, strict=True)}
        file["classifier"] = _behind("module.", state | unread)
    torch.save({**file, "epoch": EPOCH, ORIGIN: dict(head.origin)}, folder / PROBE)
    model, lines = head.model, []
    if model.eps != CLASSIFIER_EPS:
        lines.append(f"norms of the classifier have eps {model.eps:g} here, {CLASSIFIER_EPS:g} in the reference code")
    if (model.layers, model.segments) != ((-1,), 1):
        lines.append(f"the classifier reads levels {model.layers} of {model.segments} segments, which no file says")
    return lines


def _layout(model: Config, mask_tokens: int) -> Layout:
    match model:
        case IJEPA():
            encoder = ijepa.encoder_map("official", model.depth, model.patch)
            return Layout("module.", encoder, ijepa.predictor_map(model.predictor_depth), table=True)
        case VJEPA() | VJEPA2():
            table = isinstance(model, VJEPA)
            predictor = vjepa.predictor_map(model.predictor_depth, mask_tokens, table)
            encoder = vjepa.encoder_map(model.depth, model.cell, table)
            return Layout("module.backbone.", encoder, predictor, table=table)
        case VJEPA21():
            levels = model.levels if model.distilled_from is None else 1
            predictor = vjepa.predictor_map_21(model.predictor_depth, mask_tokens, levels)
            encoder = vjepa.encoder_map_21(model.depth, spaced(model.depth, model.levels), model.cell)
            average = "target_encoder" if model.distilled_from is None else "ema_encoder"
            return Layout("module.backbone.", encoder, predictor, average)
    raise ValueError(
        f"the format of the reference code has no place for a {type(model).__name__}: it is for I-JEPA, V-JEPA, "
        "V-JEPA 2 and 2.1; export to safetensors"
    )


def _reasons(model: Any, whole: bool) -> Iterator[str]:
    """Why the reference code cannot build this model, or, where it is `whole`, its predictor."""
    if model.eps != EPS:
        yield f"its norms have eps {model.eps:g}, there it is {EPS:g}"
    match model:
        case IJEPA() | VJEPA():
            if model.image[0] != model.image[1]:
                yield f"its pictures are {model.image[0]} x {model.image[1]}, there they are square"
            if whole and model.predictor_heads not in (None, model.heads):
                yield f"its predictor has {model.predictor_heads} heads, there it has the {model.heads} of the encoder"
        case VJEPA2():
            if model.positions != "released":
                yield "its rotary positions are exact, there they are no rotations (positions='released')"
        case VJEPA21():
            if model.levels != VJEPA21.levels or model.depth not in DEPTHS:
                there = f"there are {VJEPA21.levels} of {_either(DEPTHS)}"
                yield f"it has {model.levels} levels of {model.depth} blocks, {there}"
            if whole and model.predictor_depth not in PREDICTOR_DEPTHS:
                yield f"its predictor has {model.predictor_depth} blocks, there it has {_either(PREDICTOR_DEPTHS)}"
            if model.patch not in TRAINED_GRID:
                yield f"its patches measure {model.patch} pixels, there they measure {_either(TRAINED_GRID)}"
    if whole and isinstance(model, IJEPA | MaskedClips) and model.target == "pixels":
        yield "its predictor tells pixels"


def _either(numbers: Iterable[int]) -> str:
    *others, last = sorted(numbers)
    return f"{', '.join(map(str, others))} or {last}"


def _write(names: KeyMap, network: nn.Module, state: State, layout: Layout) -> State:
    """A network under their names; a table of positions that we compute is stored."""
    if layout.table and VECTORS not in state:
        position: Any = network.position
        state = state | {VECTORS: table_of(position)}
    return _behind(layout.prefix, {name: tensor.clone() for name, tensor in names.write(state).items()})


def _behind(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}
