"""Networks without their first, random weights, and tensors put into them by name."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.contracts import Method
from jepakit.weights.keys import State, listed, require


def build_empty(model: Config) -> Any:
    """The Method that `model` describes, on the meta device: names and shapes, but no memory yet.

    Raises ValueError if it describes something else.
    """
    with torch.device("meta"):
        method = model.build()
    if not isinstance(method, Method):
        raise ValueError(f"the config describes a {type(model).__name__}, which is no model")
    return method


def name_of(part: nn.Module, whole: nn.Module) -> str:
    """The name of a part inside of `whole`: "target.network" for what an EMA method keeps."""
    return next(name for name, module in whole.named_modules(remove_duplicate=False) if module is part)


def under(prefix: str, state: Mapping[str, Tensor]) -> State:
    """The tensors of one part, without its name in front."""
    dotted = prefix + "."
    return {name.removeprefix(dotted): tensor for name, tensor in state.items() if name.startswith(dotted)}


def placed(prefix: str, state: Mapping[str, Tensor]) -> State:
    """The tensors of a part, with its name in front."""
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


@torch.no_grad()
def fill(network: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Copies tensors into a network that has exactly these names and shapes.

    Raises ValueError that names what is missing, left over or of another shape; the network is then as it was.
    """
    own = network.state_dict()
    require(own.keys(), state.keys(), where)
    odd = [
        f"{name} {list(state[name].shape)} where {list(tensor.shape)} is expected"
        for name, tensor in own.items()
        if state[name].shape != tensor.shape
    ]
    if odd:
        raise ValueError(f"{where} has other sizes than the model: {listed(odd, 3)}")
    empty = any(tensor.is_meta for tensor in own.values())
    # Files are mapped into memory: a copy keeps the network whole when its file is replaced later.
    copied = {name: state[name].to(tensor.dtype, copy=True) for name, tensor in own.items()} if empty else state
    network.load_state_dict(copied, assign=empty)
