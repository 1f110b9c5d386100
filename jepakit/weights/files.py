"""Files of weights, our own and strangers': read without running anything that is in them."""

import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from jepakit.weights.keys import State, listed


def read_safetensors(path: Path, prefix: str = "") -> State:
    """The tensors whose names start with `prefix`, without it. Raises ValueError for a broken file."""
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from None


def read_about(path: Path) -> dict[str, str]:
    """The words beside the tensors, as `write_safetensors` put them there. Raises ValueError for a broken file."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from None


def read_sharded(folder: Path) -> State:
    """model.safetensors of a folder, or the shards that model.safetensors.index.json names.

    Raises ValueError if there is neither, or if the index points outside of the folder.
    """
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        if not (folder / "model.safetensors").exists():
            raise ValueError(
                f"{folder} has no model.safetensors; pickled weights (pytorch_model.bin) are not read from a folder: "
                "load and save them with transformers first"
            )
        return read_safetensors(folder / "model.safetensors")
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict):
        raise ValueError(f'{index} should have a "weight_map" of tensor names and files')
    state: State = {}
    for name in sorted(set(names.values())):
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"{index} names {name!r}, which is not a file in its folder")
        state.update(read_safetensors(folder / name))
    return state


def write_safetensors(path: Path, state: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Writes tensors and a few words about them; each is written whole, also where several share their memory."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in state.items():
        plain = tensor.detach().cpu().contiguous()
        shared = plain.data_ptr() in seen or plain.untyped_storage().nbytes() != plain.nbytes
        separate[name] = plain.clone() if shared else plain
        seen.add(plain.data_ptr())
    save_file(separate, path, metadata={"format": "pt", **about})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The dict that `torch.save` wrote: tensors and plain values only.

    Nothing in the file can run (`weights_only=True`). Raises ValueError for a file that holds anything else, or that
    is no such file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Mapped into memory, since optimizer states make a released file several times its backbone.
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds more than tensors and plain values, or is damaged; it was not unpickled, since that could "
            f"run code ({_first_line(error)})"
        ) from None
    except Exception as error:  # damaged bytes make the reader fail in any way
        raise ValueError(f"{path} cannot be read as a torch checkpoint: {_first_line(error)}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__} where a dict of state dicts was expected")
    return found


def tensors_in(value: Any, where: str) -> State:
    """`value` as a state dict. Raises ValueError for anything but a dict of tensors."""
    if not isinstance(value, dict) or not all(isinstance(item, Tensor) for item in value.values()):
        odd = (
            [str(key) for key, item in value.items() if not isinstance(item, Tensor)] if isinstance(value, dict) else []
        )
        detail = f"it also holds {listed(odd)}" if odd else f"it is a {type(value).__name__}"
        raise ValueError(f"{where} should be a dict of tensors, but {detail}")
    return {str(name): tensor for name, tensor in value.items()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ValueError that names the file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} should hold a JSON object, it holds a {type(found).__name__}")
    return found


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """An object as indented JSON."""
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0].strip()
