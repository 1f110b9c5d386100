"""Inverse dynamics: which action led from one frame to the next? What can be acted on may not be forgotten."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear
from jepakit.parts.regularizers.samples import mean_of


class InverseDynamics(nn.Module):
    """The squared error of an action that is read off the embeddings of two neighboring frames (PLDM 2502.14819).

    Without it, the easiest thing to predict is what never moves: in rooms with random walls, the walls alone.
    """

    def __init__(self, dim: int, action: int, hidden: int = 256) -> None:
        super().__init__()
        self.expand, self.contract = Linear(2 * dim, hidden), Linear(hidden, action)

    def forward(self, embeddings: Float[Tensor, "t b d"], actions: Float[Tensor, "b u a"]) -> Float[Tensor, ""]:
        """Raises ValueError unless there is an action between all neighbors."""
        if actions.shape[1] != len(embeddings) - 1:
            raise ValueError(f"{len(embeddings)} frames have {len(embeddings) - 1} actions between them, "
                             f"got {actions.shape[1]}")  # fmt: skip
        return mean_of((self.read(embeddings) - actions.transpose(0, 1)).square())

    def read(self, embeddings: Float[Tensor, "t b d"]) -> Float[Tensor, "u b a"]:
        """The action that seems to lead from each frame to the next."""
        pairs = torch.cat([embeddings[:-1], embeddings[1:]], dim=-1)
        return self.contract(nn.functional.gelu(self.expand(pairs)))
