"""Random masks: scattered tokens are hidden, with no block structure (MAE 2111.06377; I-JEPA's ablation, table 6)."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.contracts import Rows
from jepakit.tokens import Split


class RandomMasker:
    """Shows a random share `keep` of the tokens and asks for all others as one block."""

    def __init__(self, keep: float = 0.25) -> None:
        if not 0 < keep < 1:
            raise ValueError(f"keep is the share of tokens that is shown, in (0, 1), got {keep}")
        self.keep = keep

    def __call__(
        self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...] | None, generator: Generator, rows: Rows
    ) -> Split:
        tokens = coords.shape[1]
        shown = self.shown(tokens)
        order = torch.rand(rows.total, tokens, generator=generator).argsort(dim=1)
        order = order[rows.first : rows.first + rows.count]
        return Split(order[:, :shown].sort(dim=1).values, order[:, shown:].sort(dim=1).values.unsqueeze(1))

    def shown(self, tokens: int) -> int:
        """How many of so many tokens are shown: at least one, and not all of them."""
        return min(max(round(self.keep * tokens), 1), tokens - 1)
