"""Checkpoints that are whole or not there: written aside, forced onto the disk, then renamed.

`step-00000010/` holds config.json and model.safetensors, which is all that others need, and `resume/`: the optimizer,
in one safetensors file for each process that saved it, and state.json. Nothing here is ever unpickled.
"""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.tensor import DTensor, distribute_tensor

from jepakit.train.parallel import Place, plain_name
from jepakit.train.run import Keep, Run
from jepakit.train.stops import CannotWrite, Collapsed
from jepakit.train.watch import Alarm

FORMAT = 1


@dataclass
class State:
    """What a run knows besides weights and optimizer: how far it is, and what it remembers of its way."""

    done: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """What this process has computed, in all of its threads; what processes that only read samples do is not in it."""
    broken: int = 0
    skipped: int = 0
    recent: list[float] = field(default_factory=list)
    """Losses of the last steps, to which a spike is compared."""
    alarm: Alarm = field(default_factory=Alarm)
    origin: dict[str, str] = field(default_factory=dict)
    """Source and license of the weights that the run started from."""

    @classmethod
    def read(cls, path: Path) -> "State":
        """The state that a checkpoint holds."""
        data = json.loads(path.read_text())
        return cls(**{**data, "alarm": Alarm(**data["alarm"])})


def latest(out: Path) -> Path | None:
    """The newest checkpoint that is whole, or None. A damaged one is passed over for the one before."""
    for folder in reversed(folders(out)):
        if is_whole(folder):
            return folder
    return None


def folders(out: Path) -> list[Path]:
    """All checkpoints of a run, oldest first."""
    return sorted(path for path in out.glob("step-*") if path.is_dir() and path.name[5:].isdigit())


def is_whole(folder: Path) -> bool:
    """Whether every file of a checkpoint is there and as long as its header says."""
    weights = [folder / "model.safetensors", *(folder / "resume").glob("*.safetensors")]
    try:
        json.loads((folder / "config.json").read_text())
        State.read(folder / "resume" / "state.json")
        for path in weights:
            with safe_open(path, framework="pt"):
                pass
    except (OSError, ValueError, TypeError, KeyError, SafetensorError):
        return False
    return len(weights) > 1


def save(out: Path, run: Run, method: nn.Module, optimizer: torch.optim.Optimizer, state: State, place: Place) -> Path:
    """Writes the checkpoint of this moment; every rank has to call it.

    Raises CannotWrite, with one sentence, if the disk is full or gone: what was saved before is then as it was, and
    nothing of the new checkpoint is left.
    """
    folder = out / f"step-{state.done:08d}"
    aside = out / f".{folder.name}.writing"
    weights = gather_weights(method, place)
    try:
        _together(place, lambda: _write_model(aside, run, weights, state))
        _write_optimizer(aside / "resume", method, optimizer, place)
        _together(place, lambda: _settle(aside, folder, state))
    except (OSError, SafetensorError, CheckpointException) as error:
        if place.first:
            shutil.rmtree(aside, ignore_errors=True)
        raise CannotWrite(_sentence(out, state.done, error)) from None
    return folder


def gather_weights(method: nn.Module, place: Place) -> dict[str, Tensor]:
    """The state dict with full tensors on the CPU of the first rank; an empty dict on the others."""
    found: dict[str, Tensor] = {}
    for name, value in method.state_dict().items():
        full = value.full_tensor() if isinstance(value, DTensor) else value
        if place.first:
            found[name] = full.detach().cpu().contiguous()
    return found


def restore(folder: Path, method: nn.Module, optimizer: torch.optim.Optimizer, place: Place) -> State:
    """Brings weights, optimizer and state back to what they were, on any number of ranks."""
    load_weights(folder / "model.safetensors", method)
    _read_optimizer(folder / "resume", method, optimizer, place)
    return State.read(folder / "resume" / "state.json")


@torch.no_grad()
def load_weights(path: Path, method: nn.Module) -> None:
    """Fills all parameters and buffers, each rank its part. Raises ValueError unless the names are exactly the same."""
    own = method.state_dict()
    with safe_open(path, framework="pt") as file:
        if different := sorted(own.keys() ^ set(file.keys())):
            raise ValueError(f"{path} holds another model: {', '.join(different[:5])} are only on one side")
        for name, value in own.items():
            saved = file.get_tensor(name)
            if isinstance(value, DTensor):
                saved = distribute_tensor(saved.to(value.device), value.device_mesh, value.placements)
            value.copy_(saved)


def require_finite_weights(method: nn.Module, step: int, place: Place) -> None:
    """Raises Collapsed, on every rank, if a weight is not a number: no checkpoint shall be a useless one."""
    bad = [
        name
        for name, value in method.named_parameters()
        if not (value.to_local() if isinstance(value, DTensor) else value).isfinite().all()
    ]
    if any(count for (count,) in place.gather([len(bad)])):
        named = f", {plain_name(bad[0])} first" if bad else ""
        raise Collapsed(
            f"after step {step} some weights are not finite{named}, so nothing was saved. Try a lower optimizer.peak, "
            f"--clip 1.0 or a longer warmup, from the last checkpoint"
        )


def prune(out: Path, keep: Keep) -> None:
    """Deletes what need not be kept, and what an interrupted run left half done."""
    whole = folders(out)
    for folder in whole[: -keep.last]:
        step = int(folder.name[5:])
        if keep.forever is None or step % keep.forever:
            leaving = out / f".{folder.name}.leaving"
            folder.rename(leaving)  # at once, so that no half of a checkpoint is ever seen
            shutil.rmtree(leaving, ignore_errors=True)
    clean(out)


def clean(out: Path) -> None:
    """Deletes what was being written or deleted when a run was killed."""
    for pattern in (".step-*.writing", ".step-*.leaving"):
        for leftover in out.glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)


def write_aside(path: Path, text: str) -> None:
    """Writes a small file so that it is either as before or complete."""
    aside = path.with_name(f".{path.name}.writing")
    aside.write_text(text)
    flush(aside)
    aside.replace(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Forces a file or a folder's list of names onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_model(aside: Path, run: Run, weights: dict[str, Tensor], state: State) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "resume").mkdir(parents=True)
    transform: Any = run.data.transform  # pyright: ignore[reportAttributeAccessIssue]
    config = {
        "format": FORMAT,
        "model": run.model.to_json(),
        "transform": transform.to_json(),
        "step": state.done,
        **state.origin,
    }
    (aside / "config.json").write_text(json.dumps(config, indent=2))
    save_file(weights, aside / "model.safetensors")


def _settle(aside: Path, folder: Path, state: State) -> None:
    (aside / "resume" / "state.json").write_text(json.dumps(asdict(state)))
    for path in [*aside.rglob("*"), aside]:
        flush(path)
    if folder.exists():
        shutil.rmtree(folder)
    aside.rename(folder)
    flush(folder.parent)


def _write_optimizer(folder: Path, method: nn.Module, optimizer: torch.optim.Optimizer, place: Place) -> None:
    """Each rank writes its own shards, in safetensors: the usual format of DCP is a pickle."""
    flat = {}
    for name, parameter in method.named_parameters():
        if parameter in optimizer.state:
            for key, value in optimizer.state[parameter].items():
                flat[f"{plain_name(name)}.{key}"] = value if value.ndim else value.reshape(1)
    writer = dcp.HuggingFaceStorageWriter(str(folder), save_distributed=True)
    with _quiet(place):
        dcp.save(flat, storage_writer=writer, no_dist=place.ranks == 1)


def _read_optimizer(folder: Path, method: nn.Module, optimizer: torch.optim.Optimizer, place: Place) -> None:
    reader = dcp.HuggingFaceStorageReader(str(folder))
    saved = reader.read_metadata().state_dict_metadata
    parameters = {plain_name(name): parameter for name, parameter in method.named_parameters()}
    flat: dict[str, Tensor] = {}
    for key, about in saved.items():
        parameter = parameters[key.rsplit(".", 1)[0]]
        per_element = key.rsplit(".", 1)[1] != "step"
        like = parameter.detach() if per_element else torch.empty(1)
        flat[key] = torch.zeros_like(like, dtype=about.properties.dtype)  # pyright: ignore[reportAttributeAccessIssue]
    with _quiet(place):
        dcp.load(flat, storage_reader=reader, no_dist=place.ranks == 1)
    for key, value in flat.items():
        name, kind = key.rsplit(".", 1)
        optimizer.state[parameters[name]][kind] = value[0] if kind == "step" else value


@contextmanager
def _quiet(place: Place) -> Iterator[None]:
    """DCP warns when a process is alone, which is nothing to be warned of."""
    with warnings.catch_warnings():
        if place.ranks == 1:
            warnings.filterwarnings("ignore", message="torch.distributed is disabled", category=UserWarning)
        yield


def _together(place: Place, action: Callable[[], None]) -> None:
    """Runs `action` on the first rank; if it fails there, every rank raises, so that none waits for the others."""
    problem: Exception | None = None
    if place.first:
        try:
            action()
        except (OSError, SafetensorError) as error:
            problem = error
    failed = place.gather([int(problem is not None)])[0][0]
    if problem is not None:
        raise problem
    if failed:
        raise OSError("the first process could not write")


def _sentence(out: Path, step: int, error: BaseException) -> str:
    free = ""
    with suppress(OSError):
        free = f" ({shutil.disk_usage(out).free / 2**20:.0f} MB free)"
    good = latest(out)
    state = f"the checkpoint {good.name} is intact" if good else "no checkpoint was written before"
    return (
        f"the checkpoint of step {step} could not be written to {out}: {_reason(error)}{free}; {state}. "
        f"Make room, then go on with: jepakit train --resume {out}"
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, CheckpointException):
        return "; ".join(sorted({_reason(failure[0]) for failure in error.failures.values()}))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
