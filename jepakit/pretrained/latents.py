"""From a world model whose network does not learn to a training on numbers alone: weights, components, latents."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.data.latents import Latents, write_latents
from jepakit.data.trajectories import TrajectoryDataset
from jepakit.family.condensed import Condensed, condense
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.pretrained.frozen import FrozenModel, fill_frozen
from jepakit.pretrained.start import Tell
from jepakit.pretrained.untrained import untrained

CONDENSED_FROM = 4096
"""Frames whose principal components are found."""


def prepare(model: FrozenModel, data: Latents, seed: int, tell: Tell = print) -> Callable[[Any], Mapping[str, str]]:
    """Writes the latents of `data` as the frozen network of `model` sees them, unless they are there.

    Gives a function that gives a new Method that network (`fit(..., initialize=...)`): the weights at the model's
    source, or the random ones of `seed`, and the principal components of frames, where the model condenses them. These
    come from all frames to train with, for they need no actions. Raises ValueError where weights do not fit.
    """
    method = untrained(model, seed)
    if method.network is not None:
        raise ValueError(f"{model.title} learns to see, so it needs pictures; give it the `source` of a network")
    origin: Mapping[str, str] = {}
    if model.source is not None:
        origin = fill_frozen(model.source, tell=tell)(method)
    if isinstance(model, Condensed):
        share = condense(method, spread_frames(replace(data.trajectories, episodes=None, frames=1).build()))
        tell(f"{model.dim} components of a frame tell {share:.0%} of what differs between frames")
    if write_latents(data, method.see, {"weights": checksum(method)}):
        tell(f"latents of all frames are in {data.folder}")
    state = method.kept.state_dict()

    def initialize(new: Any) -> Mapping[str, str]:
        new.kept.load_state_dict(state)
        return origin

    return initialize


def spread_frames(dataset: TrajectoryDataset) -> Float[Tensor, "b c t h w"]:
    """Frames that are spread evenly over windows of one frame."""
    places = torch.linspace(0, len(dataset) - 1, min(CONDENSED_FROM, len(dataset))).long().tolist()
    return torch.stack([dataset.get(place, 0, 0)["x"] for place in places])


def checksum(method: WorldModelJEPA) -> str:
    """What tells the weights of what sees apart from others."""
    found = hashlib.sha256()
    for name, value in sorted(method.kept.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
