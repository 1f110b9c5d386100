"""Contrast: a sample's views are nearer to each other than to any other sample of the global batch."""

from itertools import combinations, permutations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.contracts import Step
from jepakit.parts.nn.collective import gather_rows, sum_over_ranks
from jepakit.parts.regularizers.moments import require_views
from jepakit.parts.regularizers.samples import require_several, wide

Views = Float[Tensor, "v b d"]


class InfoNCE(nn.Module):
    """NT-Xent (SimCLR, 2002.05709, equation 1): a view finds the other view of its sample among all views of the batch.

    Averaged over both directions and, where there are more than two views, over the pairs of views. Each rank
    compares its own samples with those of all ranks.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = positive(temperature, "temperature")

    def forward(self, embeddings: Views, step: Step) -> Float[Tensor, ""]:
        """Raises ValueError for a single view, for there is nothing to find, and for a sample alone."""
        require_views(embeddings)
        require_several(embeddings)
        with torch.autocast(embeddings.device.type, enabled=False):
            units = F.normalize(wide(embeddings), dim=2)
            everyone, first = gather_views(units)
            pairs = [[*pair] for pair in combinations(range(len(units)), 2)]
            lost = torch.stack([self._lose(units[pair], everyone[pair], first) for pair in pairs])
            return sum_over_ranks(lost.mean()) / everyone.shape[1]

    def _lose(self, own: Views, everyone: Views, first: int) -> Float[Tensor, ""]:
        """The sum of the losses of this rank's samples, mean over both directions."""
        total = everyone.shape[1]
        first_view = first + torch.arange(own.shape[1], device=own.device)
        itself = torch.cat([first_view, first_view + total])
        other = torch.cat([first_view + total, first_view])
        logits = own.flatten(0, 1) @ everyone.flatten(0, 1).T / self.temperature
        logits = logits.scatter(1, itself.unsqueeze(1), -torch.inf)
        return F.cross_entropy(logits, other, reduction="sum") / 2


class PairedInfoNCE(nn.Module):
    """MoCo v3 (2104.02057, equation 1): a prediction finds the answer to it among the answers to all samples.

    Embeddings are [prediction, answer]. Times twice the temperature, as in the paper's algorithm 1.
    """

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        self.temperature = positive(temperature, "temperature")

    def forward(self, embeddings: Float[Tensor, "v b d"], step: Step) -> Float[Tensor, ""]:
        """Raises ValueError for what is not a prediction and an answer, and for a sample alone."""
        if len(embeddings) != 2:
            raise ValueError(f"this loss finds answers by their predictions: it takes [prediction, answer], and got "
                             f"{len(embeddings)} views")  # fmt: skip
        require_several(embeddings)
        with torch.autocast(embeddings.device.type, enabled=False):
            guesses, answers = F.normalize(wide(embeddings), dim=2)
            everyone, first = gather_rows(answers)
            logits = guesses @ everyone.T / self.temperature
            right = first + torch.arange(len(guesses), device=guesses.device)
            lost = F.cross_entropy(logits, right, reduction="sum")
            return 2 * self.temperature * sum_over_ranks(lost) / len(everyone)


class MarginHinge(nn.Module):
    """Hinge loss with a margin (LeCun and Huang 2005): the energy of the right answer lies below that of any other one.

    The energy is the mean squared difference between two views; of the wrong answers, which are the other samples of
    the global batch, the one of least energy counts. Averaged over all ordered pairs of views.
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = positive(margin, "margin")

    def forward(self, embeddings: Views, step: Step) -> Float[Tensor, ""]:
        """Raises ValueError for a single view, for there is no right answer, and for a sample alone."""
        require_views(embeddings)
        require_several(embeddings)
        with torch.autocast(embeddings.device.type, enabled=False):
            own = wide(embeddings)
            everyone, first = gather_views(own)
            pairs = permutations(range(len(own)), 2)
            lost = torch.stack([self._lose(own[asked], everyone[answered], first) for asked, answered in pairs])
            return sum_over_ranks(lost.mean()) / everyone.shape[1]

    def _lose(self, own: Float[Tensor, "b d"], everyone: Float[Tensor, "n d"], first: int) -> Float[Tensor, ""]:
        """The sum of the losses of this rank's samples."""
        right = first + torch.arange(len(own), device=own.device).unsqueeze(1)
        squares = own.square().sum(dim=1, keepdim=True) + everyone.square().sum(dim=1) - 2 * own @ everyone.T
        energies = squares / own.shape[1]
        wrong = energies.scatter(1, right, torch.inf).amin(dim=1, keepdim=True)
        return (self.margin + energies.gather(1, right) - wrong).relu().sum()


def gather_views(own: Views) -> tuple[Float[Tensor, "v n d"], int]:
    """The samples of all ranks, view by view, and at which of them those of this rank begin."""
    rows, first = gather_rows(own.transpose(0, 1))
    return rows.transpose(0, 1), first


def positive(value: float, name: str) -> float:
    """`value`; raises ValueError if it is not above 0."""
    if not value > 0:
        raise ValueError(f"{name} must be above 0, got {value}")
    return value
