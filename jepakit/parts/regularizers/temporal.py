"""What embeddings of one episode ask of each other: near in time is near in space."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.contracts import Step
from jepakit.parts.regularizers.samples import mean_of


class TemporalSimilarity(nn.Module):
    """The mean squared difference between the embeddings of neighboring frames (PLDM 2502.14819, section 3.2).

    By itself it asks for collapse, so it goes with what prevents that.
    """

    def forward(self, embeddings: Float[Tensor, "t b d"], step: Step) -> Float[Tensor, ""]:
        """Raises ValueError for a frame alone."""
        if len(embeddings) < 2:
            raise ValueError("neighbors in time are compared, so a clip needs two frames or more")
        return mean_of((embeddings[1:] - embeddings[:-1]).square())


class Straightness(nn.Module):
    """One minus the cosine between the steps that embeddings take from frame to frame: 0 on a straight line.

    Paths of natural clips are straighter in a good representation (Henaff et al. 2019); planning likes them so.
    """

    def forward(self, embeddings: Float[Tensor, "t b d"], step: Step) -> Float[Tensor, ""]:
        """Raises ValueError for fewer than three frames."""
        if len(embeddings) < 3:
            raise ValueError("a bend needs three frames or more")
        steps = embeddings.diff(dim=0)
        return 1 - mean_of(torch.nn.functional.cosine_similarity(steps[1:], steps[:-1], dim=-1).unsqueeze(-1))
