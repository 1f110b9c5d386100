"""Sums and rows of the global batch, with gradients: what makes a loss on k ranks the loss on one.

The engine weighs each rank's loss by its share of the samples and sums the gradients of all ranks. A loss that every
rank computes from these sums, and from nothing of its own beside them, has then exactly the gradient of one rank.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


class _Sum(torch.autograd.Function):
    """All ranks add forward and backward: what a rank holds moves the loss of every rank."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        return _added(own)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.apply(*gradients)


def _added(own: Tensor) -> Tensor:
    total = own.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def ranks() -> int:
    """How many processes hold parts of the batch; 1 where no process group was started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_ranks(own: Shaped[Tensor, "*s"]) -> Shaped[Tensor, "*s"]:
    """The sum over all ranks, on every rank. All have to call it, with tensors of one shape."""
    return own if ranks() == 1 else _Sum.apply(own)


def gather_rows(own: Shaped[Tensor, "b *s"]) -> tuple[Shaped[Tensor, "n *s"], int]:
    """The rows of all ranks, in order, on every rank, and at which of them this rank's own begin.

    How many rows each holds may differ. A sum of rows that stand where the others have zeros, so that
    its gradient needs no code of its own.
    """
    if ranks() == 1:
        return own, 0
    mine = dist.get_rank()
    counts = torch.zeros(ranks(), dtype=torch.int64, device=own.device)
    counts[mine] = len(own)
    held = _added(counts).tolist()
    first, after = sum(held[:mine]), sum(held[mine + 1 :])
    empty, shape = own.new_zeros, own.shape[1:]
    return sum_over_ranks(torch.cat([empty(first, *shape), own, empty(after, *shape)])), first
