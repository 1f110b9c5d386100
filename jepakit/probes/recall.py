"""Class-mean recall: how anticipation is measured, where a few actions are most of what is done."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

GUESSES, FEWEST = 5, 6
"""Five guesses are allowed, as in EPIC-KITCHENS-100 (2006.13256), and one where there are fewer than six classes."""
RESAMPLED = 1000


class Recall(NamedTuple):
    """A class-mean recall with its 95 % interval over videos, which hold actions that depend on each other."""

    value: float
    low: float
    high: float


def guesses(classes: int) -> int:
    """How many guesses are allowed among so many classes: with five among five, nobody errs."""
    return GUESSES if classes >= FEWEST else 1


def ranks(scores: Float[Tensor, "n *h c"], targets: Int[Tensor, "n"]) -> Int[Tensor, "n *h"]:
    """How many classes are guessed before the true one: 0 is a hit at the first guess.

    Of equal scores the first class is guessed first. What is not known (-1), or scored by a head that is no longer
    finite, is behind all classes.
    """
    classes = scores.shape[-1]
    wanted = targets.clamp(min=0).view(-1, *[1] * (scores.dim() - 1)).expand(*scores.shape[:-1], 1)
    own = scores.gather(-1, wanted)
    before = (scores > own) | ((scores == own) & (torch.arange(classes, device=scores.device) < wanted))
    known = (targets >= 0).view(-1, *[1] * (scores.dim() - 2)) & scores.isfinite().all(dim=-1)
    return torch.where(known, before.sum(dim=-1), classes)


def class_mean_recall(found: Int[Tensor, "n *h"], targets: Int[Tensor, "n"], count: int) -> Float[Tensor, "*h"]:
    """The share of hits within `count` guesses, of each class that is present, averaged over these classes.

    `found` are `ranks`; rows whose target is -1 are not counted. Raises ValueError if none is left.
    """
    known = targets >= 0
    if not bool(known.any()):
        raise ValueError("none of the actions to measure with was ever shown in training, so there is no recall")
    hits, present = (found[known] < count).double(), torch.unique(targets[known], return_inverse=True)[1]
    sums = hits.new_zeros(int(present.max()) + 1, *hits.shape[1:]).index_add_(0, present, hits)
    return (sums / torch.bincount(present).view(-1, *[1] * (hits.dim() - 1))).mean(dim=0)


def recall(found: Int[Tensor, "n"], targets: Int[Tensor, "n"], count: int, videos: Int[Tensor, "n"]) -> Recall:
    """Class-mean recall, and between which bounds it lies for other such videos (percentiles of a bootstrap)."""
    value = float(class_mean_recall(found, targets, count))
    known = targets >= 0
    rows, present = (torch.unique(part[known], return_inverse=True)[1] for part in (videos, targets))
    shape = int(rows.max()) + 1, int(present.max()) + 1
    cells, hits = rows * shape[1] + present, (found[known] < count).double()
    counts, right = (
        torch.zeros(shape[0] * shape[1], dtype=torch.float64).index_add_(0, cells, part).view(shape)
        for part in (torch.ones_like(hits), hits)
    )
    drawn = torch.randint(shape[0], (RESAMPLED, shape[0]), generator=torch.Generator().manual_seed(0))
    times = torch.zeros(RESAMPLED, shape[0], dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(drawn.shape).double()
    )
    seen = times @ counts
    shares = torch.where(seen > 0, times @ right / seen, 0).sum(dim=1) / (seen > 0).sum(dim=1)
    low, high = torch.quantile(shares, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Recall(value, low, high)


def prior_scores(train: Int[Tensor, "n"], classes: int, count: int) -> Float[Tensor, "m c"]:
    """A baseline that looks at nothing: whatever is frequent in training, for each of `count` rows."""
    return torch.bincount(train[train >= 0], minlength=classes).float().expand(count, -1)


def repeat_scores(train: Int[Tensor, "n"], classes: int, last: Int[Tensor, "m"]) -> Float[Tensor, "m c"]:
    """A baseline that says what was `last` done (-1 for nothing), then what is frequent in training."""
    scores = prior_scores(train, classes, len(last)).clone()
    known = torch.nonzero(last >= 0)[:, 0]
    scores[known, last[known]] = torch.inf
    return scores.nan_to_num(posinf=len(train) + 1.0)
