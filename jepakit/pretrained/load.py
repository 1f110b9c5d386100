"""From any source to a network that works: `jepakit.load`."""

import logging
from pathlib import Path
from typing import Any

from jepakit.parts.nn.backbone import AnyBackbone
from jepakit.pretrained import hub, hugging_face, official, own
from jepakit.pretrained.weights import Entry, Source, Weights, require_entry

_log = logging.getLogger(__name__)


def load(
    source: Source,
    entry: Entry | None = None,
    trusted: bool = False,
    image: int | None = None,
    heads: int | None = None,
) -> AnyBackbone:
    """The backbone of a run, of one of its checkpoints, of an exported folder, or of released weights.

    It is in eval mode and frozen (`requires_grad_(True)` to fine-tune it), and its `transform` makes its input:
    `backbone(backbone.transform("photo.jpg")[None])`. `source` is a folder, a file, or "hf:organization/name".
    `entry` chooses between the averaged encoder ("target_encoder", which is taken if nothing is said; "ema_encoder" in
    files of distilled models) and the trained one ("encoder"). `trusted` lets a config.json name classes outside of
    jepakit. `image` makes the transform give pictures of that side; tables of
    positions are interpolated, rotary ones go on. `heads` is only needed for a bare file of a width that was never
    published.

    What was left out or assumed is logged. Raises ValueError that says in one sentence what does not fit.
    """
    weights = open_weights(source, trusted, heads, entry)
    for note in weights.description():
        _log.info(note)
    return weights.backbone(entry, image)


def load_method(source: Source, trusted: bool = False, heads: int | None = None) -> Any:
    """The whole Method of a checkpoint: both encoders and the predictor, in eval mode.

    Where a source has one encoder beside its predictor, it is taken for both. Raises ValueError for a source that holds
    only a backbone.
    """
    return open_weights(source, trusted, heads).method()


def open_weights(
    source: Source, trusted: bool = False, heads: int | None = None, entry: Entry | None = None
) -> Weights:
    """What is at `source`, without making a network of it yet. Raises ValueError if it is nothing we know.

    `entry` is the encoder that is wanted of it: few files have more than can be read at once.
    """
    require_entry(entry)
    if isinstance(source, str) and source.startswith(hub.SCHEME):
        return _open_folder(hub.fetch(source), source, trusted)
    path = Path(source)
    if path.is_dir():
        return _open_folder(path, path.resolve().name, trusted)
    if path.is_file():
        return official.read_file(path, heads, entry)
    raise ValueError(f"there is no file or folder {path}; models of the hub are written hf:organization/name")


def _open_folder(path: Path, name: str, trusted: bool) -> Weights:
    if own.is_run(path):
        return own.read_run(path, trusted)
    if own.is_own(path):
        return own.read_folder(path, trusted)
    if hugging_face.is_hugging_face(path):
        return hugging_face.read_folder(path, name)
    raise ValueError(
        f"{path} holds no weights: neither a run (step-*), nor a checkpoint or exported folder (config.json with "
        '"format"), nor a folder of Hugging Face (config.json with "model_type")'
    )
