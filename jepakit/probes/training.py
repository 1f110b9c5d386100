"""Training of what sits on a backbone, or of the backbone too: a stream of augmented batches, and a pass to score."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from jepakit.contracts import Dataset
from jepakit.probes.features import Batch, batches
from jepakit.schedules import warmup_cosine


def stream(dataset: Dataset, size: int, steps: int, seed: int) -> Iterator[Batch]:
    """`steps` batches, epoch after epoch in the orders of the data set. Raises ValueError if nothing can be read."""
    done = 0
    for epoch in range(steps):
        before = done
        order = dataset.order(epoch, seed).tolist()
        for batch in batches(dataset, order, min(size, len(dataset)), epoch, seed, apart=True):
            if batch.index:
                yield batch
                done += 1
            if done == steps:
                return
        if done == before:
            raise ValueError(f"none of the {len(dataset)} training samples can be read")


def answered(batch: Batch) -> Int[Tensor, "b"]:
    """The labels of a batch, which training of a head cannot do without."""
    if batch.labels is None:
        raise ValueError("a probe needs labels, and these samples have none")
    return batch.labels


def decay_groups(module: nn.Module, rate: float, decay: float) -> list[dict[str, Any]]:
    """Parameters for AdamW with a rate and a decay; biases and other vectors, such as those of norms, do not decay."""
    matrices = [parameter for parameter in module.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in module.parameters() if parameter.dim() < 2]
    return [
        {"params": matrices, "lr": rate, "weight_decay": decay},
        {"params": vectors, "lr": rate, "weight_decay": 0.0},
    ]


def descend(optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> Iterator[None]:
    """Sets the rate of every group before each of `steps` steps: a line up to the given one, then a cosine to zero."""
    peaks = [group["lr"] for group in optimizer.param_groups]
    share = warmup_cosine(0.0, 1.0, 0.0, warmup)
    for step in range(steps):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            # The middle of the step: a rate of zero at its first and last step would waste both.
            group["lr"] = peak * share((step + 0.5) / steps)
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's own generator is seeded for the moment and left as it was."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def told_right(
    predict: Callable[[Tensor], Tensor], dataset: Dataset, size: int, device: torch.device
) -> Bool[Tensor, "m ..."]:
    """Which readable samples are told right by `predict`, from x to classes [b] or, for several heads, [b h]."""
    right = []
    with torch.inference_mode():
        for batch in batches(dataset, range(len(dataset)), size, apart=True):
            if batch.index:
                found = predict(batch.x.to(device)).cpu()
                right.append(found == answered(batch).reshape(-1, *[1] * (found.dim() - 1)))
    return torch.cat(right)
