"""Folders of Hugging Face transformers, in and out: what all of their models have in common."""

from collections.abc import Mapping
from pathlib import Path

from jepakit.config import Config
from jepakit.family.ijepa import IJEPA
from jepakit.family.vjepa2 import VJEPA2
from jepakit.parts.nn.backbone import AnyBackbone, Backbone
from jepakit.pretrained import hugging_face_ijepa as ijepa
from jepakit.pretrained import hugging_face_vjepa2 as vjepa2
from jepakit.pretrained.classifier import Head
from jepakit.pretrained.hugging_face_classifier import add_classifier
from jepakit.pretrained.weights import Weights
from jepakit.weights.files import read_json, read_sharded, write_json, write_safetensors
from jepakit.weights.keys import State

CONFIG, WEIGHTS = "config.json", "model.safetensors"
MODELS = {"ijepa": ijepa, "vjepa2": vjepa2}
"""Readers and writers, by what transformers calls the architecture."""


def is_hugging_face(path: Path) -> bool:
    """Whether this is a folder of transformers."""
    return (path / CONFIG).is_file() and "model_type" in read_json(path / CONFIG)


def read_folder(path: Path, name: str) -> Weights:
    """The networks of a folder. `name` is what origin says of it.

    Raises ValueError for another architecture, and where weights and config.json disagree.
    """
    described = read_json(path / CONFIG)
    model_type = described.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODELS:
        raise ValueError(f"{path}/{CONFIG} has model_type {model_type!r}; jepakit reads {' and '.join(MODELS)}")
    module = MODELS[model_type]
    reading = module.read(path, {**module.DEFAULTS, **described}, read_sharded(path))
    license = stated_license(path) or (module.LICENSE if name.startswith(module.RELEASED) else None)
    origin = {"source": name} | ({} if license is None else {"license": license})
    return Weights(
        where=str(path), model=reading.model, transform=reading.transform, state=reading.state, origin=origin,
        notes=reading.notes,
    )  # fmt: skip


def write_folder(
    folder: Path,
    backbone: AnyBackbone,
    predictor: State | None,
    model: Config,
    origin: Mapping[str, str],
    classifier: Head | None = None,
) -> list[str]:
    """config.json, model.safetensors, the file of its processor and a model card, for `from_pretrained`.

    Returns what a user should read about it. Raises ValueError for a model that transformers does not have.
    """
    match model, backbone:
        case IJEPA(), Backbone():
            if classifier is not None:
                raise ValueError("transformers has no attentive classifier of an I-JEPA; export to safetensors")
            written, head = ijepa.write(backbone, model), "An I-JEPA encoder"
        case VJEPA2(), Backbone():
            written, head = vjepa2.write(backbone, predictor, model), "A V-JEPA 2 encoder"
            if classifier is not None:
                written, head = add_classifier(written, classifier, model), f"{head} with an attentive classifier"
        case _:
            raise ValueError(f"transformers has no model for a {type(model).__name__}; export to safetensors or onnx")
    for file, content in written.files.items():
        write_json(folder / file, content)
    write_safetensors(folder / WEIGHTS, written.state, origin)
    (folder / "README.md").write_text(_card(head, written.pipeline, origin), encoding="utf-8")
    return list(written.notes)


def stated_license(path: Path) -> str | None:
    """The licence in the front matter of a model card, as the hub shows it."""
    card = path / "README.md"
    if not card.is_file():
        return None
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines[1:] if lines[:1] == ["---"] else []:
        if line.strip() == "---":
            return None
        key, _, value = line.partition(":")
        if key == "license" and value.strip():
            return value.strip().strip("\"'")
    return None


def _card(head: str, pipeline: str, origin: Mapping[str, str]) -> str:
    """A model card whose front matter names the licence, if there is one to keep."""
    license = [f"license: {origin['license'].lower()}"] if "license" in origin else []
    source = f" from {origin['source']}" if "source" in origin else ""
    lines = ["---", "library_name: transformers", f"pipeline_tag: {pipeline}", *license, "---", ""]
    return "\n".join([*lines, f"{head}, exported by jepakit{source}.", ""])
