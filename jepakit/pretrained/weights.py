"""What was found at a source: networks, how they were made, and to whom they belong."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from jepakit.config import Config
from jepakit.contracts import Transform
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.transforms import ImageTransform
from jepakit.parts.nn.backbone import AnyBackbone
from jepakit.pretrained.networks import build_empty, fill, name_of, placed, under
from jepakit.weights.keys import State, listed

Average = Literal["target_encoder", "ema_encoder"]
Entry = Literal[Average, "encoder"]
"""One of the encoders of a source, by the name that released files have for it."""
Source = str | Path


@dataclass(frozen=True)
class Choice:
    """What is taken of a source: which encoder, for pictures of which side, and the heads that no shape tells."""

    entry: Entry | None = None
    image: int | None = None
    heads: int | None = None


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Tensors under the names of the Method that `model` builds: all of them, or those of a single network."""

    where: str
    """What messages call it."""
    model: Config
    transform: Transform | None
    state: State
    origin: Mapping[str, str]
    """"source" and "license", where they are known; every copy repeats them."""
    notes: tuple[str, ...] = ()
    """What was dropped or assumed on the way in, one sentence each."""
    average: Average = "target_encoder"
    """What the source calls the network that our method keeps."""

    def backbone(self, entry: Entry | None = None, image: int | None = None) -> AnyBackbone:
        """The kept network (or the trained one, for "encoder"), with its transform, in eval mode and frozen.

        `image` is the side of pictures that the transform gives, where it is to be another. Raises ValueError if the
        source has no such network, or if it does not fit its own description.
        """
        method = build_empty(self.model)
        network = method.backbone if entry == "encoder" else method.kept
        fill(network, self.network(entry, method), self.where)
        network.transform = self.transform if image is None else _resized(self.transform, image, self.where)
        return network.eval().requires_grad_(False)

    def method(self) -> Any:
        """The whole Method, in eval mode; a single encoder beside a predictor is both encoders of it.

        Raises ValueError if a part of it is not there.
        """
        method = build_empty(self.model)
        state = self.state
        if self.predictor is not None and method.kept is not method.backbone:
            names = [name_of(part, method) for part in (method.backbone, method.kept)]
            encoders = {name: under(name, state) for name in names}
            given = next(encoder for encoder in encoders.values() if encoder)
            state = state | {key: tensor for name, encoder in encoders.items() if not encoder
                             for key, tensor in placed(name, given).items()}  # fmt: skip
        expected = {name.split(".")[0] for name in method.state_dict()}
        if missing := expected - {name.split(".")[0] for name in state}:
            raise ValueError(f"{self.where} holds one network and no whole method: {listed(missing)} would be missing")
        fill(method, state, self.where)
        return method.eval()

    def network(self, entry: Entry | None, method: Any) -> State:
        """The tensors of one encoder: of the average, for None and for "target_encoder", whatever its name.

        Raises ValueError if they are not there.
        """
        require_entry(entry)
        if entry == "ema_encoder" and self.average != "ema_encoder":
            raise ValueError(f"{self.where} has no ema_encoder; leave entry out for the average that it keeps")
        part = method.backbone if entry == "encoder" else method.kept
        found = under(name_of(part, method), self.state)
        if found:
            return found
        if entry == "encoder":
            raise ValueError(f"{self.where} holds one network only; leave entry out to load it")
        raise ValueError(f"{self.where} has no target_encoder; choose entry='encoder'")

    @property
    def predictor(self) -> State | None:
        """The tensors of the predictor, if the source has one."""
        return under("predictor", self.state) or None

    def description(self) -> list[str]:
        """What a user should know of it: notes and licence."""
        return [*self.notes, *(f"{key}: {value}" for key, value in self.origin.items())]


def _resized(transform: Transform | None, image: int, where: str) -> Transform:
    match transform:
        case ImageTransform():
            return replace(transform, size=image)
        case ClipTransform():
            return replace(transform, picture=replace(transform.picture, size=image))
    raise ValueError(f"{where} has no picture transform, so image={image} cannot be set")


def require_entry(entry: str | None) -> None:
    """Raises ValueError for a word that names no encoder, so that a slip of the pen loads no other one."""
    names = get_args(Entry)
    if entry is not None and entry not in names:
        raise ValueError(f"there is no entry {entry!r}; an encoder is called {', '.join(names[:-1])} or {names[-1]}")
