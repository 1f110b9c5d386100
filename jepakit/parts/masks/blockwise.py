"""Block-wise masks: blocks of patches are hidden until there are enough (BEiT 2106.08254, algorithm 1)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from jepakit.contracts import Rows
from jepakit.parts.masks.blocks import Range, cover
from jepakit.tokens import Split

ROUNDS = 30


class BlockwiseMasker:
    """Hides a share of the patches, drawn from `shares` for each sample, and asks for them as one block of targets.

    With a `chance` below 1 the other samples are seen whole (iBOT). A block covers at least `least` of the grid and at
    most what is to be hidden; sizes are drawn once for the batch, places for each sample. Of the last block of a sample
    only as many patches are hidden, by lot, as are missing, so that the share is exact.
    """

    def __init__(
        self,
        shares: Range = (0.4, 0.4),
        chance: float = 1.0,
        least: float = 16 / 196,
        aspect: Range = (0.3, 1 / 0.3),
    ) -> None:
        if not 0 < shares[0] <= shares[1] < 1:
            raise ValueError(f"shares is a range of shares of the grid in (0, 1), smaller first, got {shares}")
        if not 0 < chance <= 1:
            raise ValueError(f"chance is that of a sample to be masked, in (0, 1], got {chance}")
        self.shares, self.chance, self.least, self.aspect = shares, chance, least, aspect

    def __call__(
        self, coords: Float[Tensor, "b n p"], extent: tuple[int, ...] | None, generator: Generator, rows: Rows
    ) -> Split:
        """The masks of `rows`, out of a draw for the whole batch. Raises ValueError without a 2D grid."""
        if extent is None or len(extent) != 2:
            raise ValueError(f"blocks are drawn on a 2D grid of patches, these tokens have {extent or 'no grid'}")
        tokens, mine = math.prod(extent), slice(rows.first, rows.first + rows.count)
        order = self._order(extent, generator, rows.total)[mine]
        counts = self._counts(tokens, generator, rows.total)[mine]
        fewest = 0 if self.chance < 1 else self._count(self.shares[0], tokens)
        place = torch.arange(tokens)
        hidden = order.masked_fill(place >= counts, -1)[:, : self.most(tokens)]
        seen = order.masked_fill(place < counts, -1)[:, fewest:]
        return Split(seen.sort(dim=1).values, hidden.sort(dim=1).values.unsqueeze(1))

    def most(self, tokens: int) -> int:
        """How many of so many tokens are hidden of a sample at most."""
        return self._count(self.shares[1], tokens)

    def _count(self, share: float, tokens: int) -> int:
        return min(max(round(share * tokens), 1), tokens - 1)

    def _counts(self, tokens: int, generator: Generator, samples: int) -> Int[Tensor, "b 1"]:
        """How many tokens are hidden of each sample."""
        drawn = torch.rand(2, samples, 1, generator=generator)
        low, high = self.shares
        counts = ((low + drawn[0] * (high - low)) * tokens).round().long().clamp(1, tokens - 1)
        return counts * (drawn[1] < self.chance)

    def _order(self, extent: tuple[int, int], generator: Generator, samples: int) -> Int[Tensor, "b n"]:
        """All cells of each sample, in the order in which blocks came to cover them; those of one block by lot."""
        tokens = math.prod(extent)
        covered = torch.full((samples, tokens), float(ROUNDS))
        for number in range(ROUNDS):
            size = self._size(extent, generator)
            starts = (torch.randint(0, limit - side + 1, (samples, 1), generator=generator)
                      for side, limit in zip(size, extent, strict=True))  # fmt: skip
            block = cover(torch.stack(list(starts), dim=-1), size, extent) > 0
            covered = torch.where(block & (covered == ROUNDS), float(number), covered)
            if ((covered < ROUNDS).sum(dim=1) >= self.most(tokens)).all():
                break
        return (covered + torch.rand(samples, tokens, generator=generator)).argsort(dim=1)

    def _size(self, extent: tuple[int, int], generator: Generator) -> tuple[int, int]:
        first, second = torch.rand(2, generator=generator).tolist()
        least, most = self.least * math.prod(extent), float(self.most(math.prod(extent)))
        area = least + first * max(most - least, 0.0)
        low, high = (math.log(aspect) for aspect in self.aspect)
        ratio = math.exp(low + second * (high - low))
        wished = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        height, width = (max(1, min(side, limit)) for side, limit in zip(wished, extent, strict=True))
        return height, width
