"""Does a model know what may come? Its predictions against all futures of a past, where these are known.

Distances are between representations, root mean squared over tokens and width. Futures of one past lie so far apart
that balls around them of half the distance to the nearest other one do not meet: a prediction inside of such a ball is
of that future and no other. Where all futures would be averaged, the prediction lies in none of the balls.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

REACH = 0.5
"""The radius of the ball around a future, as a share of the distance to the nearest other one."""


@dataclass(frozen=True)
class Imagined:
    """What was predicted of each of n pasts, k times, against its m futures.

    `distances` are those from predictions to futures, `radii` those of the balls around futures.
    """

    distances: Float[Tensor, "n k m"]
    radii: Float[Tensor, "n m"]

    @property
    def hits(self) -> Bool[Tensor, "n k m"]:
        """Whether a prediction is of a future."""
        return self.distances < self.radii.unsqueeze(1)

    @property
    def coverage(self) -> float:
        """The share of futures that some prediction is of."""
        return self.hits.any(dim=1).float().mean().item()

    @property
    def precision(self) -> float:
        """The share of predictions that are of some future."""
        return self.hits.any(dim=2).float().mean().item()

    def best_of(self, count: int) -> float:
        """The distance from a future to the nearest of the first `count` predictions, in radii of its ball: a mean."""
        return (self.distances[:, :count].amin(dim=1) / self.radii).mean().item()


def compare(predictions: Float[Tensor, "n k t d"], futures: Float[Tensor, "n m t d"]) -> Imagined:
    """Predictions and futures of the same pasts. Raises ValueError where a past has one future alone."""
    if futures.shape[1] < 2:
        raise ValueError("modes are told apart by their distance, so a past needs two futures or more")
    apart = _distances(futures, futures)
    apart.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    return Imagined(_distances(predictions, futures), REACH * apart.amin(dim=2))


def _distances(first: Float[Tensor, "n k t d"], second: Float[Tensor, "n m t d"]) -> Float[Tensor, "n k m"]:
    size = (first.shape[2] * first.shape[3]) ** 0.5
    # Direct differences: the quick formula by products loses small distances between long vectors.
    return torch.cdist(first.flatten(2), second.flatten(2), compute_mode="donot_use_mm_for_euclid_dist") / size
