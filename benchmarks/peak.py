"""The share of the processor's peak that a training step reaches.

Work is counted by hand (`MaskedJEPA.flops`: linear layers and attention, forward once and backward twice, nothing
recomputed, without the input gradient of the first layer, which nobody computes). The peak is that of a product of two
2048 x 2048 matrices in float32, measured in the same rounds, by `torch.mm` and by oneDNN.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.record import ratio
from benchmarks.steps import LONG, StepOnce
from jepakit.contracts import Rows, step_at
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.nn.linear import linear

SIDE = 2048
PRODUCTS = 8
"""Products in a round, so that a round of the peak lasts long enough to be timed."""
LIBRARIES = ("torch.mm", "oneDNN")


def products() -> dict[str, Callable[[], object]]:
    """The sides that measure the peak; they run without gradients."""
    left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    return {
        "torch.mm": lambda: [left @ right for _ in range(PRODUCTS)],
        "oneDNN": lambda: [linear(left, right) for _ in range(PRODUCTS)],
    }


def with_gradients(step: StepOnce, x: Tensor) -> Callable[[], None]:
    """The step with gradients on; the peak is measured without."""

    def learn() -> None:
        with torch.enable_grad():
            step(x)

    return learn


def mean_gflop(method: MaskedJEPA, x: Tensor, steps: int) -> float:
    """Work of a step, in 10^9 operations: the mean over the masks of the first steps."""
    with torch.no_grad():
        answers = method.target(x, method.backbone)
    unused = method.backbone.tokenizer.flops(1)
    rows, total = Rows(0, len(x), len(x)), 0
    for index in range(steps):
        splits = method._ask(answers, step_at(index, LONG, rows).shared, rows)
        embedded = sum(split.context.shape[1] for split in splits)
        total += len(x) * (method.flops(answers.values.shape[1], splits) - unused * embedded)
    return total / steps / 1e9


def shares(seconds: Mapping[str, Sequence[float]], side: str, gflop: float) -> dict[str, Any]:
    """Rates of a side and of both libraries, and the share of each that the side reaches."""
    of_product = 2 * SIDE**3 * PRODUCTS / 1e9
    rows: dict[str, Any] = {"step": {"gflops": gflop / statistics.median(seconds[side])}}
    for name in LIBRARIES:
        faster = ratio(seconds[name], seconds[side])
        scale = gflop / of_product
        share = {key: faster[key] if key == "n" else scale * faster[key] for key in faster}
        rows[name] = {"gflops": of_product / statistics.median(seconds[name]), "share": share}
    return rows
