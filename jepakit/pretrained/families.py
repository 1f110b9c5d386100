"""What a reader of released files is given, and what it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jepakit.config import Config
from jepakit.contracts import Transform
from jepakit.pretrained.networks import placed
from jepakit.weights.keys import State

ENCODERS = {"target_encoder": "target.network", "ema_encoder": "target.network", "encoder": "backbone"}
"""What released files call their encoders, and where our method has them. Distilled ones have an `ema_encoder`."""
ORIGIN = "origin"
"""Source and licence in a file of ours for the reference code, which does not look for them."""


@dataclass(frozen=True)
class Networks:
    """The networks of a released file: their tensors under their own names, without what stood before all of them."""

    where: str
    encoders: Mapping[str, State]
    predictor: State | None = None

    @property
    def encoder(self) -> State:
        """Any of the encoders: all of them have the same names."""
        return next(iter(self.encoders.values()))


@dataclass(frozen=True)
class Reading:
    """A model, and tensors under the names of the Method that it builds; `notes` say what was dropped or assumed."""

    model: Config
    transform: Transform | None
    state: State
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """A folder of transformers to be: JSON files by name, tensors, the kind of model that its card names."""

    files: Mapping[str, Mapping[str, Any]]
    state: State
    pipeline: str
    notes: tuple[str, ...] = ()


@runtime_checkable
class Family(Protocol):
    """A module that reads the released files of one published JEPA."""

    @property
    def LICENSE(self) -> str:
        """Under which the weights were released."""
        ...

    def owns(self, networks: Networks) -> bool:
        """Whether names and shapes are those of this family."""
        ...

    def read(self, networks: Networks, heads: int | None) -> Reading:
        """Ours. Raises ValueError for whatever is missing or left over, and where `heads` have to be stated."""
        ...


@dataclass(frozen=True)
class Encoder:
    """One encoder under our names. What `sizes` and `grid` hold is up to the family; encoders of a file share them."""

    state: State
    sizes: Any
    grid: Any
    notes: tuple[str, ...]


def read_encoders(networks: Networks, read: Callable[[State, str], Encoder]) -> tuple[Encoder, State, list[str]]:
    """The first encoder, the tensors of all where our method has them, and all notes.

    Raises ValueError unless all have one size.
    """
    encoders = {name: read(state, f"{name} of {networks.where}") for name, state in networks.encoders.items()}
    first = next(iter(encoders.values()))
    if any((encoder.sizes, encoder.grid) != (first.sizes, first.grid) for encoder in encoders.values()):
        raise ValueError(f"the {' and the '.join(encoders)} of {networks.where} have different sizes")
    state = {key: tensor for name, encoder in encoders.items() for key, tensor in
             placed(ENCODERS[name], encoder.state).items()}  # fmt: skip
    return first, state, [note for encoder in encoders.values() for note in encoder.notes]


def stated_origin(found: Mapping[str, Any], path: Path) -> dict[str, str] | None:
    """Source and licence that a file of ours states; None for a file that does not."""
    stated = found.get(ORIGIN)
    if not isinstance(stated, dict):
        return None
    return {"source": path.name} | {key: str(stated[key]) for key in ("source", "license") if key in stated}


def require_equal(described: Mapping[str, Any], found: Mapping[str, Any], path: Path) -> None:
    """Raises ValueError where the JSON file at `path` says anything else than the weights."""
    for key, value in found.items():
        if described[key] != value:
            raise ValueError(f"{path} says {key} is {described[key]}, the weights are made for {value}")


def require_numbers(described: Mapping[str, Any], names: tuple[str, ...], path: Path) -> None:
    """Raises ValueError where one of these in the JSON file at `path` is not a number between 0 and 1,000."""
    for name in names:
        value = described[name]
        if type(value) not in (int, float) or not 0 < value < 1000:
            raise ValueError(f"{path} has {name} {value!r}; a number above 0 was expected")
