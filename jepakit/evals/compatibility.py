"""Energy as a judge: is it low where two things belong together, and high where they do not?"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import Dataset, Method

CANDIDATES = 16
"""Among so many the one that belongs to a sample is looked for: 1 in 16 is chance."""


def judge(
    method: Method, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], candidates: int = CANDIDATES
) -> Mapping[str, float]:
    """What energies of pairs tell, where row i of `x` belongs to row i of `y` and to no other.

    "auroc" is how often a pair that belongs together has less energy than one of the same x with a wrong y, ties half;
    "retrieval" how often the right y of `candidates` has the least (LeCun 2022, section 4.1). 0.5 and 1 / `candidates`
    are chance. Raises ValueError for fewer samples than candidates.
    """
    if len(x) < candidates or candidates < 2:
        raise ValueError(
            f"to look for one of {candidates}, give 2 candidates or more and as many samples, got {len(x)}"
        )
    with torch.no_grad():
        # Masks are drawn anew from one seed in every call: a sample is asked the same question about every candidate.
        energies = torch.stack([method.energy(x, y.roll(shift, dims=0)) for shift in range(candidates)], dim=1)
    right, wrong = energies[:, :1], energies[:, 1:]
    less = (right < wrong).double() + 0.5 * (right == wrong).double()
    return {"auroc": less.mean().item(), "retrieval": (less.min(dim=1).values == 1).double().mean().item()}


def pairs_of(dataset: Dataset, count: int, same: bool) -> tuple[Float[Tensor, "n ..."], Float[Tensor, "n ..."]]:
    """Samples, evenly spread, and what belongs to each: itself where parts of it are predicted, else another view."""
    indices = [place * len(dataset) // count for place in range(min(count, len(dataset)))]
    x = torch.stack([dataset.get(index, 0, 0)["x"] for index in indices])
    return x, x if same else torch.stack([dataset.get(index, 1, 0)["x"] for index in indices])
