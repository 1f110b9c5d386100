"""Encoders in 8-bit integers, for faster features on a CPU."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.backbone import Backbone


class Int8Linear(nn.Module):
    """A linear layer whose weights are 8-bit integers, one scale for each output; inputs are rounded as they come.

    Every token gets a scale of its own, so that one loud token does not cost the others their precision
    (LLM.int8(), Dettmers et al. 2022, section 2.1: "vector-wise" quantisation). For inference only: nothing learns.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach()
        scale = weight.abs().amax(dim=1).clamp(min=torch.finfo(weight.dtype).tiny) / 127
        self.register_buffer("weight", (weight / scale.unsqueeze(1)).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    @torch.no_grad()
    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n e"]:
        rows = x.reshape(-1, x.shape[-1])
        spread = rows.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny) / 127
        product = torch._int_mm((rows / spread).round_().to(torch.int8), self.weight.t())
        out = (product * spread).mul_(self.scale)
        if self.bias is not None:
            out.add_(self.bias)
        return out.view(*x.shape[:-1], -1)


def quantize(backbone: Backbone) -> Backbone:
    """A copy of the backbone whose blocks compute in 8-bit integers: smaller, and faster on a CPU.

    The patches stay in float32, for they see the pixels. How near the features come is to be measured on own pictures
    (`python -m benchmarks.encoder` measures random weights): large checkpoints have channels of large values.
    """
    smaller = copy.deepcopy(backbone).eval().requires_grad_(False)
    for part in list(smaller.encoder.modules()):
        for name, layer in list(part.named_children()):
            if isinstance(layer, nn.Linear):
                setattr(part, name, Int8Linear(layer))
    return smaller
