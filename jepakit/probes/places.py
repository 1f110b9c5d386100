"""Where is the thing? A linear probe of places, and how far imagined places lie from all that were possible.

The world is round: what leaves a frame on one side comes in on the other. So a place is told by two angles, and read as
their cosines and sines, which a mean of pixels or features can say; distances are the short way round, in pixels.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import RidgeCV
from torch import Tensor

from jepakit.probes.futures import Imagined, compare

ALPHAS = tuple(np.logspace(-2, 4, 7))
"""How much the weights of a probe may be held back; chosen by leaving out one sample at a time."""


def on_circles(places: Float[Tensor, "*n 2"], size: int) -> Float[Tensor, "*n 4"]:
    """Rows and columns in pixels as cosines, then sines, of angles; `size` pixels are once around."""
    angles = places * (2 * math.pi / size)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def off_circles(points: Float[Tensor, "*n 4"], size: int) -> Float[Tensor, "*n 2"]:
    """Rows and columns in pixels, in [0, size)."""
    cosines, sines = points.chunk(2, dim=-1)
    return torch.atan2(sines, cosines).remainder(2 * math.pi) * (size / (2 * math.pi))


def apart(first: Float[Tensor, "*n 2"], second: Float[Tensor, "*m 2"], size: int) -> Float[Tensor, "*k"]:
    """Distances in pixels, the short way round."""
    way = (first - second).remainder(size)
    return torch.minimum(way, size - way).norm(dim=-1)


class PlaceProbe:
    """Ridge regression from representations to the places of a thing at each of t times, in frames of `size` pixels.

    A representation comes in u parts of equally many of the times, which are all read by the same weights.
    """

    def __init__(self, parts: Float[Tensor, "n u r"], places: Float[Tensor, "n t 2"], size: int) -> None:
        """Learns from samples whose places are known. Raises ValueError for times that parts do not share evenly."""
        if places.shape[1] % parts.shape[1]:
            raise ValueError(f"{parts.shape[1]} parts cannot tell the places at {places.shape[1]} times evenly")
        self.size, self._times = size, places.shape[1] // parts.shape[1]
        wanted = on_circles(places, size).unflatten(1, (parts.shape[1], -1)).flatten(2)
        self._ridge = RidgeCV(alphas=ALPHAS).fit(parts.flatten(0, 1).numpy(), wanted.flatten(0, 1).numpy())

    def __call__(self, parts: Float[Tensor, "*n u r"]) -> Float[Tensor, "*n t 2"]:
        """Places, in pixels."""
        found = torch.from_numpy(self._ridge.predict(parts.flatten(0, -2).numpy())).to(parts)
        points = found.view(*parts.shape[:-1], self._times, 4)
        return off_circles(points.flatten(-3, -2), self.size)


@dataclass(frozen=True)
class ForetoldPlaces:
    """Places that were imagined of n pasts, s times each, and those of all their m futures, at t times after the fork.

    How far they are `apart` is in pixels; which draw is of which future is decided by the whole way, not step by step.
    """

    apart: Float[Tensor, "n s m t"]
    modes: Imagined

    @classmethod
    def of(cls, imagined: Float[Tensor, "n s t 2"], futures: Float[Tensor, "n m t 2"], size: int) -> "ForetoldPlaces":
        """Compares them. Raises ValueError where a past has one future alone, or several in the same places."""
        modes = compare(on_circles(imagined, size), on_circles(futures, size))
        if not bool((modes.radii > 1e-4).all()):
            raise ValueError("some futures have the thing in the same places, so places cannot tell them apart")
        return cls(apart(imagined.unsqueeze(2), futures.unsqueeze(1), size), modes)

    def best_of(self, count: int) -> Float[Tensor, "t"]:
        """The error of the nearest of the first `count` draws to each future, step by step: a mean over futures."""
        nearest = self.apart[:, :count].mean(dim=3).argmin(dim=1)
        return self.apart.take_along_dim(nearest[:, None, :, None], dim=1).mean(dim=(0, 1, 2))

    def each(self) -> Float[Tensor, "t"]:
        """The error of each draw against the future that is nearest to it, step by step: a mean over draws."""
        nearest = self.apart.mean(dim=3).argmin(dim=2)
        return self.apart.take_along_dim(nearest[:, :, None, None], dim=2).mean(dim=(0, 1, 2))
