"""The currency of the library: tokens that know where they are, and questions asked about them.

Shape letters, used everywhere: b batch, n tokens, d width, p axes of a place, c context tokens, m blocks,
k tokens of a block, t time, a action.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils import _pytree as pytree


@dataclass(frozen=True)
class Tokens:
    """Values with coordinates, so that encoders, maskers and predictors need to know no modality.

    `coords` counts in grid steps (row, column for an image); `valid` is None when every token counts. `extent` is
    the size of the grid that the tokens were cut from, per axis (None without a grid), and survives dropping tokens.
    """

    values: Float[Tensor, "b n d"]
    coords: Float[Tensor, "b n p"]
    valid: Bool[Tensor, "b n"] | None = None
    extent: tuple[int, ...] | None = None

    def take(self, index: Int[Tensor, "b k"]) -> "Tokens":
        """The tokens at `index`; an index of -1 is padding and gives an invalid token (whose values are finite)."""
        padded = index < 0
        place = index.clamp(min=0)
        valid = None if self.valid is None else self.valid.gather(1, place)
        if bool(padded.any()):
            valid = ~padded if valid is None else valid & ~padded
        return Tokens(gather(self.values, place), gather(self.coords, place), valid, self.extent)

    def with_values(self, values: Float[Tensor, "b n e"]) -> "Tokens":
        """The same places with other values."""
        return replace(self, values=values)

    def cat(self, other: "Tokens") -> "Tokens":
        """Both sets of tokens, one after the other."""
        valid = None
        if self.valid is not None or other.valid is not None:
            valid = torch.cat([self.valid_or_ones(), other.valid_or_ones()], dim=1)
        values = torch.cat([self.values, other.values], dim=1)
        return Tokens(values, torch.cat([self.coords, other.coords], dim=1), valid, self.extent)

    def valid_or_ones(self) -> Bool[Tensor, "b n"]:
        """Which tokens count, spelled out."""
        if self.valid is not None:
            return self.valid
        return torch.ones(self.values.shape[:2], dtype=torch.bool, device=self.values.device)

    def pooled(self) -> Float[Tensor, "b d"]:
        """The mean of the valid tokens."""
        if self.valid is None:
            return self.values.mean(dim=1)
        weight = self.valid.unsqueeze(-1).to(self.values.dtype)
        return (self.values * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


@dataclass(frozen=True)
class Places:
    """Where a predictor shall look: m blocks of k places, without their values, so that no answer can leak.

    `beyond` is how many steps of the first axis (time) they may lie behind the grid of the context: what comes next.
    """

    coords: Float[Tensor, "b m k p"]
    valid: Bool[Tensor, "b m k"] | None = None
    beyond: int = 0


@dataclass(frozen=True)
class Split:
    """A question about tokens: given these, what is there? Indices of tokens; -1 is padding."""

    context: Int[Tensor, "b c"]
    targets: Int[Tensor, "b m k"]


def gather(values: Float[Tensor, "b n d"], index: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
    """Rows of `values` at `index`, one list of rows per sample."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


pytree.register_dataclass(Tokens, field_names=["values", "coords", "valid"], drop_field_names=["extent"])
pytree.register_dataclass(Places)
pytree.register_dataclass(Split)
