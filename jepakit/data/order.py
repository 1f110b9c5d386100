"""Order and chance of data: pure functions of (seed, epoch, index), so that a run can be resumed by naming a step."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Generator, Tensor

from jepakit.data.sources import Listing


def shuffle(listing: Listing, rows: Int[Tensor, "n"], epoch: int, seed: int) -> Int[Tensor, "n"]:
    """A permutation of `rows` that depends on (seed, epoch) alone.

    Rows of shards stay near each other: shards are permuted, then rows move by less than the source's window, so
    that a disk or a network file system reads nearly in sequence.
    """
    generator = generator_for(seed, epoch)
    if listing.shards is None or len(rows) <= listing.window:
        return torch.randperm(len(rows), generator=generator)
    rank = torch.randperm(int(listing.shards.max()) + 1, generator=generator)
    sequence = torch.argsort(rank[listing.shards[rows]], stable=True)
    moved = torch.arange(len(rows)) + listing.window * torch.rand(len(rows), generator=generator)
    return sequence[torch.argsort(moved, stable=True)]


def generator_for(*key: int) -> Generator:
    """A generator that depends on these numbers alone; near keys give unrelated draws."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) % 2**63)
