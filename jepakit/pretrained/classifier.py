"""Attentive classifiers from anywhere: `jepakit.load_classifier`."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jepakit.config import Config, added
from jepakit.pretrained import hub
from jepakit.pretrained.families import ORIGIN, require_numbers, stated_origin
from jepakit.pretrained.hugging_face_vjepa2 import DEFAULTS
from jepakit.pretrained.networks import fill
from jepakit.pretrained.weights import Source
from jepakit.probes.classifier import AttentiveClassifier
from jepakit.weights.classifier import UNREAD, classifier_sizes, hugging_face_map
from jepakit.weights.files import (
    read_about,
    read_checkpoint,
    read_json,
    read_safetensors,
    read_sharded,
    tensors_in,
    write_safetensors,
)
from jepakit.weights.ijepa import shapes_of
from jepakit.weights.keys import State, count_blocks, listed, strip_prefix
from jepakit.weights.vjepa import LICENSES

CLASSIFIER = "classifier.safetensors"
ABOUT = "jepakit.classifier"
# A list in the files of V-JEPA 2, which trains a grid of them at once; one head in V-JEPA's.
NAMES = {"classifiers": LICENSES["V-JEPA 2"], "classifier": LICENSES["V-JEPA"]}
PREFIXES = ("module.",)
QUERY = "pooler.query_tokens"
# Heads are in no tensor's shape: 16 in all released probes, whatever their backbone has (released configurations).
HEADS = {1024: 16, 1280: 16, 1408: 16}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Classifier(Config):
    """The sizes of an attentive classifier, and how it is used; the released ones have eps 1e-5."""

    dim: int
    heads: int
    depth: int
    classes: int
    eps: float = 1e-5
    names: tuple[str, ...] | None = added(None)
    """What the classes are called."""
    layers: tuple[int, ...] = added((-1,))
    """The levels of the backbone whose tokens are read."""
    segments: int = added(1)
    """How many clips of a video are read together."""

    @classmethod
    def of(cls, network: AttentiveClassifier) -> "Classifier":
        """What a classifier was built with."""
        attention = network.pooler.cross_attention_block
        return cls(
            dim=network.linear.in_features,
            heads=attention.xattn.heads,
            depth=1 + len(network.pooler.blocks),
            classes=network.linear.out_features,
            eps=attention.norm1.eps,
            names=network.names,
            layers=network.layers,
            segments=network.segments,
        )

    def build(self) -> AttentiveClassifier:
        """The classifier, untrained. Raises ValueError for sizes that do not fit."""
        network = AttentiveClassifier(self.dim, self.heads, self.depth, self.classes, self.eps)
        network.names, network.layers, network.segments = self.names, self.layers, self.segments
        return network


@dataclass(frozen=True, kw_only=True)
class Head:
    """A classifier that was found at a source."""

    where: str
    model: Classifier
    state: State
    origin: Mapping[str, str]
    alone: bool
    """Whether there is no backbone beside it."""
    notes: tuple[str, ...] = ()

    def description(self) -> list[str]:
        """What a user should know of it: notes and licence."""
        return [*self.notes, *(f"{key}: {value}" for key, value in self.origin.items())]

    def classifier(self) -> AttentiveClassifier:
        """The network, in eval mode and frozen. Raises ValueError if it does not fit its own description."""
        network = self.model.build()
        fill(network, self.state, self.where)
        return network.eval().requires_grad_(False)


def load_classifier(source: Source, heads: int | None = None) -> AttentiveClassifier:
    """The attentive classifier that `jepakit probe` left behind, of a released probe, of a folder of ours, or of
    Hugging Face's for video classification.

    It is in eval mode and frozen, and reads the tokens of its backbone: `classifier(backbone(x).values)` are the logits
    of the classes called `classifier.names`, where names are known. `heads` is only needed for a released file of a
    width that was never published. Raises ValueError if there is none.
    """
    head = find_head(source, heads)
    for note in head.description():
        _log.info(note)
    return head.classifier()


def find_head(source: Source, heads: int | None = None) -> Head:
    """What `load_classifier` makes a network of. Raises ValueError if there is none."""
    head = open_classifier(source, heads)
    if head is None:
        there = (isinstance(source, str) and source.startswith(hub.SCHEME)) or Path(source).exists()
        raise ValueError(f"{source} holds no attentive classifier" if there else f"there is no file or folder {source}")
    return head


def save_classifier(network: AttentiveClassifier, out: Path) -> None:
    """Writes a classifier as one file that `load_classifier` reads, over the one that may be there."""
    about = {ABOUT: json.dumps(Classifier.of(network).to_json())}
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    write_safetensors(beside, network.state_dict(), about)
    os.replace(beside, out)


def open_classifier(source: Source, heads: int | None = None) -> Head | None:
    """The classifier at `source`, if there is one. Raises ValueError if it is not exactly one."""
    remote = isinstance(source, str) and source.startswith(hub.SCHEME)
    path = hub.fetch(str(source)) if remote else Path(source)
    if path.is_file():
        return _of_probe(path) or _of_file(path, heads)
    described = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    if described.get("model_type") == "vjepa2":
        return _of_hugging_face(path, described, str(source) if remote else path.name)
    return _of_ours(path, described) if (path / CLASSIFIER).is_file() else None


def _of_probe(path: Path) -> Head | None:
    """What `save_classifier` wrote, if it is that."""
    about = read_about(path) if path.suffix == ".safetensors" else {}
    if ABOUT not in about:
        return None
    model, state = Classifier.from_json(json.loads(about[ABOUT])), read_safetensors(path)
    return Head(where=str(path), model=model, state=state, origin={"source": path.name}, alone=True)


def _of_file(path: Path, heads: int | None) -> Head | None:
    found: dict[str, Any] = dict(read_safetensors(path)) if path.suffix == ".safetensors" else read_checkpoint(path)
    name = next((name for name in NAMES if name in found), None)
    where = f"{name} of {path}" if name else str(path)
    inner, notes = found[name] if name else found, []
    if isinstance(inner, list):
        notes.append(f"{where}: the first of {len(inner)} is taken")
        inner = inner[0] if inner else {}
    if name is None and not any(isinstance(key, str) and key.endswith(QUERY) for key in found):
        return None
    state = strip_prefix(tensors_in(inner, where), PREFIXES)
    if unread := [key for key in UNREAD if key in state]:
        notes.append(f"{where}: left out: {listed(unread)}, which nothing reads")
    if name and (ignored := sorted(str(key) for key in found.keys() - {name, ORIGIN})):
        notes.append(f"{path}: left out: {', '.join(ignored)}")
    origin = stated_origin(found, path) or {"source": path.name} | ({"license": NAMES[name]} if name else {})
    state = {key: tensor for key, tensor in state.items() if key not in UNREAD}
    model = _sized(state, heads, where)
    return Head(where=where, model=model, state=state, origin=origin, alone=True, notes=tuple(notes))


def _of_hugging_face(path: Path, described: Mapping[str, Any], name: str) -> Head | None:
    theirs = read_sharded(path)
    kept = {key: tensor for key, tensor in theirs.items() if key.startswith(("pooler.", "classifier."))}
    if not kept:
        return None
    depth = 1 + count_blocks(kept, "pooler.self_attention_layers.")
    # Heads and eps of the backbone, as transformers has it, although the release had 16 heads and eps 1e-5 throughout.
    state = hugging_face_map(depth).read(kept, f"the classifier of {path}")
    described = {**DEFAULTS, **described}
    require_numbers(described, ("num_attention_heads", "layer_norm_eps"), path / "config.json")
    model = _sized(state, int(described["num_attention_heads"]), str(path), float(described["layer_norm_eps"]))
    model = replace(model, names=_names(described, model.classes))
    origin = {"source": name} | ({"license": NAMES["classifiers"]} if name.startswith("hf:facebook/vjepa2") else {})
    return Head(where=f"the classifier of {path}", model=model, state=state, origin=origin, alone=False)


def _names(described: Mapping[str, Any], classes: int) -> tuple[str, ...] | None:
    """The names of the classes, if there is one for each."""
    found = described.get("id2label")
    if not isinstance(found, dict) or any(str(label) not in found for label in range(classes)):
        return None
    return tuple(str(found[str(label)]) for label in range(classes))


def _of_ours(path: Path, described: Mapping[str, Any]) -> Head:
    config = described.get("classifier")
    if not isinstance(config, dict):
        raise ValueError(f'{path} has {CLASSIFIER}, but its config.json does not describe a "classifier"')
    origin = {key: value for key in ("source", "license") if isinstance(value := described.get(key), str)}
    model, state = Classifier.from_json(config), read_safetensors(path / CLASSIFIER)
    return Head(where=str(path / CLASSIFIER), model=model, state=state, origin=origin, alone="model" not in described)


def _sized(state: State, heads: int | None, where: str, eps: float = 1e-5) -> Classifier:
    sizes = classifier_sizes(shapes_of(state), where)
    if heads is None and sizes.dim not in HEADS:
        raise ValueError(
            f"a probe does not say how many attention heads it has, and no published one is {sizes.dim} wide; state "
            "heads="
        )
    return Classifier(dim=sizes.dim, heads=heads or HEADS[sizes.dim], depth=sizes.depth, classes=sizes.classes, eps=eps)
