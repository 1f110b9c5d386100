"""Released checkpoints (.pth.tar, .pt), and single files of tensors under the same names."""

from pathlib import Path
from typing import Any

from jepakit.pretrained import classifier, ijepa, vjepa, vjepa2, vjepa2_ac, vjepa21
from jepakit.pretrained.families import ENCODERS, ORIGIN, Family, Networks, stated_origin
from jepakit.pretrained.weights import Entry, Weights
from jepakit.weights.files import read_checkpoint, read_safetensors, tensors_in
from jepakit.weights.keys import State, strip_prefix

FAMILIES: tuple[Family, ...] = (vjepa2_ac, ijepa, vjepa, vjepa2, vjepa21)
PREFIXES = ("module.backbone.", "module.", "backbone.", "ijepa.")


def read_file(path: Path, heads: int | None = None, entry: Entry | None = None) -> Weights:
    """All networks of a file. Raises ValueError if one of them is not exactly that of a published family.

    `heads` is needed for encoders of a width that was never published. `entry` only matters where a distilled model
    has two averages: "target_encoder" reads that network alone, which need not be of its size; else it is left out.
    """
    found = open_file(path)
    if classifier.NAMES & found.keys():
        raise ValueError(f"{path} holds a classifier and no backbone; jepakit.load_classifier takes it")
    networks, notes = _networks(found, path, entry)
    family = recognize(networks)
    reading = family.read(networks, heads)
    # Only the release has both encoders in one file; of a single network nobody can say whose it is.
    is_released = len(ENCODERS.keys() & found.keys()) > 1
    origin = stated_origin(found, path) or {"source": path.name} | ({"license": family.LICENSE} if is_released else {})
    return Weights(
        where=str(path), model=reading.model, transform=reading.transform, state=reading.state, origin=origin,
        notes=(*notes, *reading.notes),
        average="ema_encoder" if "ema_encoder" in networks.encoders else "target_encoder",
    )  # fmt: skip


def open_file(path: Path) -> dict[str, Any]:
    """What is in a file, nothing of it run."""
    return dict(read_safetensors(path)) if path.suffix == ".safetensors" else read_checkpoint(path)


def recognize(networks: Networks) -> Family:
    """The one family whose networks these are. Raises ValueError if there is none, or if it cannot be told."""
    for family in FAMILIES:
        if family.owns(networks):
            return family
    where = f"{next(iter(networks.encoders))} of {networks.where}"
    if "pos_embed" in networks.encoder and "patch_embed.proj.weight" in networks.encoder:
        raise ValueError(
            f"{where} has a table of positions, which V-JEPA uses and V-JEPA 2 carries along unread; the 2 or 10 mask "
            "tokens of its predictor would tell which of them it is: give the file as it was released"
        )
    raise ValueError(
        f"{where} holds no encoder of a published JEPA: neither the released names (patch_embed.proj.weight, "
        "blocks.0...) nor Hugging Face's of I-JEPA (embeddings.patch_embeddings.projection.weight, encoder.layer.0...) "
        "are there"
    )


def _networks(found: dict[str, Any], path: Path, entry: Entry | None) -> tuple[Networks, list[str]]:
    """The networks of a file, and notes on what else there was."""
    names = [name for name in ENCODERS if name in found]
    if not names:
        return Networks(str(path), {"target_encoder": _plain(found, str(path))}), []
    parts = ["predictor"] if "predictor" in found else []
    if {"ema_encoder", "target_encoder"} <= found.keys():
        if entry == "target_encoder":
            names, parts = [entry], []
        else:
            names.remove("target_encoder")
    encoders = {name: _plain(found[name], f"{name} of {path}") for name in names}
    predictor = _plain(found["predictor"], f"predictor of {path}") if parts else None
    ignored = sorted(str(name) for name in found.keys() - {*names, *parts, ORIGIN})
    return Networks(str(path), encoders, predictor), [f"{path}: left out: {', '.join(ignored)}"] if ignored else []


def _plain(value: Any, where: str) -> State:
    return strip_prefix(tensors_in(value, where), PREFIXES)
