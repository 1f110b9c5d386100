"""Attention among tokens."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear, linear
from jepakit.parts.nn.position import Rotation


class Attention(nn.Module):
    """Multi-head self-attention that never reads invalid tokens."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide a width of {dim}; choose a divisor")
        self.heads = heads
        self.qkv = Linear(dim, 3 * dim)
        self.projection = Linear(dim, dim)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        valid: Bool[Tensor, "b n"] | None = None,
        last: int | None = None,
        rotation: Rotation | None = None,
    ) -> Float[Tensor, "b q d"]:
        """Attends from all tokens, or only from the `last` ones, to all valid tokens, each turned by `rotation`."""
        dim = x.shape[-1]
        # Split along the features: the gradients of the parts are then put together by one copy, not by two.
        if last is None:
            q, k, v = self.qkv(x).split(dim, dim=-1)
        else:
            weight, bias = self.qkv.weight, self.qkv.bias
            q = linear(x[:, -last:], weight[:dim], bias[:dim])
            k, v = linear(x, weight[dim:], bias[dim:]).split(dim, dim=-1)
        mask = None if valid is None else valid[:, None, None, :]
        q, k, v = (self._heads(part) for part in (q, k, v))
        if rotation is not None:
            q, k = rotation.turn(q), rotation.turn(k)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.projection(mixed.transpose(1, 2).flatten(2))

    def _heads(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n e"]:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
