"""Our own folders: a run, one of its checkpoints, or an exported backbone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jepakit.config import Config
from jepakit.contracts import Transform
from jepakit.pretrained.networks import build_empty, name_of, placed
from jepakit.pretrained.weights import Weights
from jepakit.train.checkpoint import FORMAT, folders
from jepakit.weights.files import read_json, read_safetensors

WHOLE, BACKBONE = "model.safetensors", "backbone.safetensors"


def is_run(path: Path) -> bool:
    """Whether this is the folder of a run."""
    return (path / "run.json").is_file() or bool(folders(path))


def is_own(path: Path) -> bool:
    """Whether this is a folder that jepakit wrote weights to."""
    return (path / "config.json").is_file() and "format" in read_json(path / "config.json")


def read_run(path: Path, trusted: bool) -> Weights:
    """The newest checkpoint of a run that can be read; a damaged one is passed over for the one before."""
    problems = []
    for folder in reversed(folders(path)):
        try:
            return read_folder(folder, trusted)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError(f"{path} has no checkpoint that can be read: {'; '.join(problems)}")
    raise ValueError(f"{path} is a run without a checkpoint yet; wait for its first step-* folder")


def read_folder(path: Path, trusted: bool) -> Weights:
    """A checkpoint (the whole method) or an exported backbone. Raises ValueError if it is neither."""
    config = read_json(path / "config.json")
    if config.get("format") != FORMAT:
        raise ValueError(
            f"{path}/config.json has format {config.get('format')!r}, this jepakit reads {FORMAT}; upgrade jepakit"
        )
    model = _config(config, "model", path, trusted)
    if model is None and "classifier" in config:
        raise ValueError(f"{path} holds a classifier and no backbone; jepakit.load_classifier takes it")
    if model is None:
        raise ValueError(f'{path}/config.json has no "model"')
    if (path / WHOLE).is_file():
        state = read_safetensors(path / WHOLE)
    elif (path / BACKBONE).is_file():
        method = build_empty(model)
        state = placed(name_of(method.kept, method), read_safetensors(path / BACKBONE))
    else:
        raise ValueError(f"{path} holds neither {WHOLE} nor {BACKBONE}")
    transform = _config(config, "transform", path, trusted)
    if not isinstance(transform, Transform | None):
        raise ValueError(
            f"{path}/config.json names a {type(transform).__name__} as transform, which transforms nothing"
        )
    origin = {key: value for key in ("source", "license") if isinstance(value := config.get(key), str)}
    return Weights(where=str(path), model=model, transform=transform, state=state, origin=origin)


def _config(config: Mapping[str, Any], key: str, path: Path, trusted: bool) -> Config | None:
    data = config.get(key)
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ValueError(f'"{key}" in {path}/config.json should be an object, it is {data!r}')
    try:
        return Config.from_json(data, trusted)
    except ValueError as error:
        raise ValueError(f"{path}/config.json: {error}") from None
