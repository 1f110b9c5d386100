"""How much a training step computes: counted on the real method, attention on CPUs included."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from jepakit.contracts import Rows, step_at

DRAWS = 4
"""Steps that are counted: masks, and with them the work, differ from step to step."""

Shape = Sequence[int]


def flop_per_sample(method: nn.Module, x: Float[Tensor, "b ..."], steps: int) -> float:
    """Floating-point operations that a step of a run of `steps` spends on one sample like those of `x`.

    Forward pass, answers and backward pass; a multiplication and an addition count as two. Matrix products,
    convolutions and attention are counted, as usual, and nothing else (norms, activations, the optimizer). The
    method's gradients stay as they are. Raises ValueError for a method that is frozen.
    """
    learning = [parameter for parameter in method.parameters() if parameter.requires_grad]
    if not learning:
        raise ValueError(f"{type(method).__name__} is frozen: there is no training step to count")
    with FlopCounterMode(display=False, custom_mapping=_on_cpus()) as counter:
        for index in range(DRAWS):
            losses = method({"x": x}, step_at(index, steps, Rows(0, len(x), len(x))))
            torch.autograd.grad(losses.total, learning, allow_unused=True)
    return counter.get_total_flops() / (DRAWS * len(x))


def _on_cpus() -> dict[torch._ops.OpOverloadPacket, Callable[..., int]]:
    """The kernels of CPUs, which PyTorch's counter does not know and would count as nothing."""
    aten = torch.ops.aten
    return {
        torch.ops.mkldnn._linear_pointwise: _linear,
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }


def _linear(
    x: Shape, weight: Shape, bias: Shape | None, attr: str, scalars: list, algorithm: str | None, out_shape: Shape
) -> int:
    return 2 * math.prod(x) * weight[0]


def _attention(
    query: Shape,
    key: Shape,
    value: Shape,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    attn_mask: Shape | None = None,
    scale: float | None = None,
    out_shape: object,
) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(
    grad: Shape,
    query: Shape,
    key: Shape,
    value: Shape,
    out: Shape,
    logsumexp: Shape,
    dropout: float,
    causal: bool,
    *,
    attn_mask: Shape | None = None,
    scale: float | None = None,
    out_shape: object,
) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)
