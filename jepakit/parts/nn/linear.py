"""Linear layers by the fastest exact matrix product at hand."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Linear(nn.Linear):
    """`nn.Linear`, multiplied by oneDNN where PyTorch itself would call a slower library (float32 on a CPU).

    PyTorch's own products use MKL, which keeps its AVX-512 kernels to one vendor's processors: on others oneDNN is up
    to 2.3 times as fast and equally exact (`python -m benchmarks.products`). Weights and checkpoints are `nn.Linear`'s.
    """

    def forward(self, input: Float[Tensor, "*n d"]) -> Float[Tensor, "*n e"]:
        return linear(input, self.weight, self.bias)


def linear(
    x: Float[Tensor, "*n d"], weight: Float[Tensor, "e d"], bias: Float[Tensor, " e"] | None = None
) -> Float[Tensor, "*n e"]:
    """x W' + b. Differentiable any number of times; equal to `F.linear` up to the order of sums."""
    if not _fits(x, weight):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled() and (
        x.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)
    ):
        return _Product.apply(x, weight, bias)
    return _product(x, weight, bias)


class _Product(torch.autograd.Function):
    """oneDNN's product has no derivative in PyTorch; its derivatives are products again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (grad,), (x, weight) = grad_outputs, ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        to_x = linear(grad, weight.t()) if ctx.needs_input_grad[0] else None
        to_weight = _correlate(rows, x.reshape(-1, x.shape[-1])) if ctx.needs_input_grad[1] else None
        to_bias = rows.sum(dim=0) if ctx.biased and ctx.needs_input_grad[2] else None
        return to_x, to_weight, to_bias


def _correlate(left: Float[Tensor, "n e"], right: Float[Tensor, "n d"]) -> Float[Tensor, "e d"]:
    """left' right. oneDNN copies its first operand when that is transposed, so the narrower one goes first.

    Rows are made contiguous: given a second operand with gaps between its rows, oneDNN falls back to a plain loop.
    """
    left, right = left.contiguous(), right.contiguous()
    if left.shape[1] <= right.shape[1]:
        return linear(left.t(), right.t())
    return linear(right.t(), left.t()).t()


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN may take over: not under tracing, autocast or vmap, nor for subclasses of Tensor."""
    plain = type(x) in (Tensor, nn.Parameter) and type(weight) in (Tensor, nn.Parameter)
    return (
        plain
        and x.device.type == "cpu"
        and x.dtype is torch.float32
        and weight.dtype is torch.float32
        and x.numel() > 0
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
    )
