"""Attention among tokens."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear, linear


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
        self, x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None = None, last: int | None = None
    ) -> Float[Tensor, "b q d"]:
        """Attends from all tokens, or only from the `last` ones, to all valid tokens."""
        mask = None if valid is None else valid[:, None, None, :]
        if last is None:
            q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        else:
            dim, weight, bias = x.shape[-1], self.qkv.weight, self.qkv.bias
            q = linear(x[:, -last:], weight[:dim], bias[:dim]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            k, v = linear(x, weight[dim:], bias[dim:]).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.projection(mixed.transpose(1, 2).flatten(2))
