"""Backbones as files that others load, and others' weights as ours."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from torch import nn

from jepakit.config import Config
from jepakit.contracts import Transform
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.transforms import ImageTransform
from jepakit.parts.nn.backbone import AnyBackbone
from jepakit.pretrained import hugging_face, onnx, release
from jepakit.pretrained.classifier import CLASSIFIER, Head, find_head, open_classifier
from jepakit.pretrained.load import open_weights
from jepakit.pretrained.networks import build_empty, fill
from jepakit.pretrained.own import BACKBONE, WHOLE
from jepakit.pretrained.weights import Entry, Source, Weights
from jepakit.train.checkpoint import FORMAT, flush
from jepakit.weights.files import write_json, write_safetensors

Format = Literal["safetensors", "hf", "onnx", "official"]


def export(
    source: Source,
    out: Path,
    format: Format = "safetensors",
    entry: Entry | None = None,
    trusted: bool = False,
    heads: int | None = None,
    classifier: Source | None = None,
) -> str:
    """Writes the backbone at `source` to the new folder `out` and returns what a user should read about it.

    "safetensors" is our own folder for `jepakit.load`, "hf" one for `from_pretrained` of `IJepaModel`, `VJEPA2Model` or
    `VJEPA2ForVideoClassification`, "onnx" a graph, "official" a .pt of the reference code with encoders and predictor.
    An attentive `classifier` (that of the source, if none is named) is written, too, but for ONNX.
    Raises ValueError if `out` is in use or the source does not fit, ImportError if ONNX is not installed.
    """
    head = open_classifier(source, heads) if classifier is None else find_head(classifier, heads)
    if head is not None and head.alone and classifier is None:
        return _export_probe(head, out, format)
    weights = open_weights(source, trusted, heads, entry)
    lines, backbone = weights.description(), weights.backbone(entry)
    if head is not None:
        lines += _beside(head, backbone, format, asked=classifier is not None)
        weights = replace(weights, origin=_merged(weights.origin, head.origin))
    with new_folder(out) as folder:
        if format == "hf":
            parts = backbone, weights.predictor, weights.model, weights.origin
            lines += hugging_face.write_folder(folder, *parts, head)
        else:
            kept = None if format == "onnx" else head
            _write_config(folder, weights.model, weights.transform, weights.origin, kept, tensors=format != "official")
        if format == "safetensors":
            write_safetensors(folder / BACKBONE, backbone.state_dict(), weights.origin)
        elif format == "onnx":
            lines += onnx.write(folder, backbone, _input_shape(weights), weights.origin)
        elif format == "official":
            lines += release.write_networks(folder, weights, entry)
            lines += [] if head is None else release.write_probe(folder, head)
    return "\n".join([*lines, f"written: {out}"])


def convert(
    source: Source,
    out: Path,
    entry: Entry | Literal["all"] | None = None,
    trusted: bool = False,
    heads: int | None = None,
) -> str:
    """Writes foreign weights as our own folder `out`; "all" keeps both encoders and the predictor.

    An attentive classifier is kept, too: alone, where a source has nothing else. Returns what was left out and under
    which licence they are. Raises ValueError as `export` does.
    """
    head = open_classifier(source, heads)
    if head is not None and head.alone:
        return _convert_probe(head, out)
    chosen = None if entry == "all" else entry
    weights = open_weights(source, trusted, heads, chosen)
    name, network = (WHOLE, weights.method()) if entry == "all" else (BACKBONE, weights.backbone(chosen))
    with new_folder(out) as folder:
        write_safetensors(folder / name, network.state_dict(), weights.origin)
        _write_config(folder, weights.model, weights.transform, weights.origin, head)
    return "\n".join([*weights.description(), *(head.notes if head else ()), f"written: {out}"])


def _beside(head: Head, backbone: AnyBackbone, format: Format, asked: bool) -> list[str]:
    """What to tell of a classifier beside its backbone. Raises ValueError if they do not fit together."""
    if format == "onnx" and asked:
        raise ValueError("a graph of ONNX is a backbone alone; leave classifier out")
    if format == "onnx":
        return [f"left out: {head.where}, for the graph is the backbone alone"]
    if head.model.dim != backbone.dim:
        raise ValueError(
            f"{head.where} reads tokens of {head.model.dim} numbers, this backbone gives {backbone.dim}; name the "
            "backbone that it was fitted on"
        )
    return head.description()


def _merged(origin: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """The origin of a backbone, with the licence of the classifier beside it where that is another one."""
    licenses = [each["license"] for each in (origin, other) if "license" in each]
    return {**origin, **({"license": " AND ".join(dict.fromkeys(licenses))} if licenses else {})}


def _export_probe(head: Head, out: Path, format: Format) -> str:
    if format == "safetensors":
        return _convert_probe(head, out)
    if format != "official":
        raise ValueError(f"{head.where} is a classifier alone; name it as classifier beside the backbone that it reads")
    with new_folder(out) as folder:
        _write_config(folder, None, None, head.origin, head, tensors=False)
        lines = release.write_probe(folder, head)
    return "\n".join([*head.description(), *lines, f"written: {out}"])


def _convert_probe(head: Head, out: Path) -> str:
    with new_folder(out) as folder:
        _write_config(folder, None, None, head.origin, head)
    return "\n".join([*head.description(), f"written: {out}"])


def save_backbone(
    backbone: nn.Module, model: Config, out: Path, transform: Transform | None = None, origin: Mapping[str, str] = {}
) -> None:
    """Writes a live backbone as a folder that `jepakit.load` reads; `model` is the Config that it was built from.

    `transform` is the backbone's own if it is not given. Raises ValueError if backbone and model do not fit.
    """
    method = build_empty(model)
    fill(method.kept, backbone.state_dict(), "the backbone to save")
    chosen = transform if transform is not None else getattr(backbone, "transform", None)
    with new_folder(out) as folder:
        write_safetensors(folder / BACKBONE, backbone.state_dict(), origin)
        _write_config(folder, model, chosen, origin)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill beside `out`, which becomes `out` when all of it is on the disk, or vanishes after an error.

    Raises ValueError if `out` holds something, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is already there; choose a new folder")
    aside = out.with_name(f".{out.name}.{os.getpid()}.writing")
    try:
        aside.mkdir(parents=True)
        yield aside
        for path in [*aside.rglob("*"), aside]:
            flush(path)
        aside.replace(out)
        flush(out.parent)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{out} could not be written: {error}; nothing of it is left") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_config(
    folder: Path,
    model: Config | None,
    transform: Transform | None,
    origin: Mapping[str, str],
    head: Head | None = None,
    tensors: bool = True,
) -> None:
    """What the folder holds, in words, and the `tensors` of its classifier, if there is one."""
    described: dict[str, Any] = {"format": FORMAT}
    if model is not None:
        described |= {"model": model.to_json(), "transform": None if transform is None else transform.to_json()}
    if head is not None:
        described["classifier"] = head.model.to_json()
    if head is not None and tensors:
        write_safetensors(folder / CLASSIFIER, head.state, origin)
    write_json(folder / "config.json", {**described, **origin})


def _input_shape(weights: Weights) -> tuple[int, ...]:
    """Channels, (frames,) height and width of what the transform makes, or of what the model was made for."""
    match weights.transform:
        case ImageTransform(size=size, channels=channels):
            return channels, size, size
        case ClipTransform(sampling=sampling, picture=picture):
            return picture.channels, sampling.frames, picture.size, picture.size
    return weights.model.samples[0]  # pyright: ignore[reportAttributeAccessIssue]
