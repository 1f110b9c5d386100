"""A transformer on steps of time: each step sees itself and earlier ones, and remembers what later ones need of it."""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import Rotation
from jepakit.parts.nn.transformer import MLP


@dataclass(frozen=True)
class KeysValues:
    """What attention needs of steps that are over."""

    keys: Float[Tensor, "b h n e"]
    values: Float[Tensor, "b h n e"]


class CausalAttention(nn.Module):
    """Multi-head attention from new tokens to remembered ones and to each other; `head_dim` is free."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(dim, 3 * heads * head_dim)
        self.projection = Linear(heads * head_dim, dim)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        mask: Bool[Tensor, "n n"] | None,
        rotation: Rotation | None,
        past: KeysValues | None,
    ) -> tuple[Float[Tensor, "b n d"], KeysValues]:
        """The new tokens mixed, and keys and values with theirs behind those of the `past`."""
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        if rotation is not None:
            q, k = rotation.turn(q), rotation.turn(k)
        if past is not None:
            k, v = torch.cat([past.keys, k], dim=2), torch.cat([past.values, v], dim=2)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.projection(mixed.transpose(1, 2).flatten(2)), KeysValues(k, v)


class CausalBlock(nn.Module):
    """Attention and MLP behind norms, as in every block here; a condition may scale, shift and gate them.

    With a `condition` of so many numbers that is AdaLN-zero (DiT 2212.09748, section 3.2): norms have no weights of
    their own, and the block begins as the identity.
    """

    def __init__(
        self, dim: int, heads: int, head_dim: int, hidden: int, eps: float, dropout: float, condition: int | None
    ) -> None:
        super().__init__()
        own = condition is None
        self.attention_norm = nn.LayerNorm(dim, eps=eps, elementwise_affine=own)
        self.attention = CausalAttention(dim, heads, head_dim)
        self.mlp_norm = nn.LayerNorm(dim, eps=eps, elementwise_affine=own)
        self.mlp = MLP(dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.modulation = None if condition is None else Linear(condition, 6 * dim)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        condition: Float[Tensor, "b n c"] | None = None,
        mask: Bool[Tensor, "n n"] | None = None,
        rotation: Rotation | None = None,
        past: KeysValues | None = None,
    ) -> tuple[Float[Tensor, "b n d"], KeysValues]:
        """The new tokens of the next level, and what attention remembers."""
        if self.modulation is None or condition is None:
            mixed, kept = self.attention(self.attention_norm(x), mask, rotation, past)
            x = x + self.dropout(mixed)
            return x + self.dropout(self.mlp(self.mlp_norm(x))), kept
        shift, scale, gate, later_shift, later_scale, later_gate = self.modulation(F.silu(condition)).chunk(6, dim=-1)
        mixed, kept = self.attention(torch.addcmul(shift, self.attention_norm(x), 1 + scale), mask, rotation, past)
        x = x + gate * self.dropout(mixed)
        changed = self.mlp(torch.addcmul(later_shift, self.mlp_norm(x), 1 + later_scale))
        return x + later_gate * self.dropout(changed), kept

    def outputs(self) -> tuple[nn.Linear, nn.Linear]:
        """The layers that write into the residual stream."""
        return self.attention.projection, self.mlp.contract


class CausalTransformer(nn.Module):
    """`depth` blocks and a final norm on tokens that come in steps of equally many."""

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        head_dim: int | None = None,
        hidden: int | None = None,
        eps: float = 1e-6,
        dropout: float = 0.0,
        condition: int | None = None,
    ) -> None:
        super().__init__()
        if head_dim is None and dim % heads:
            raise ValueError(f"{heads} heads do not divide a width of {dim}; choose a divisor, or state head_dim")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a share in [0, 1), got {dropout}")
        sizes = (dim, heads, head_dim or dim // heads, hidden or 4 * dim, eps, dropout, condition)
        self.blocks = nn.ModuleList(CausalBlock(*sizes) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=eps)
        self._masks: dict[tuple[int, int, torch.device], Tensor] = {}

    def forward(
        self,
        x: Float[Tensor, "b t m d"],
        condition: Float[Tensor, "b t c"] | None = None,
        rotation: Rotation | None = None,
        past: list[KeysValues] | None = None,
    ) -> tuple[Float[Tensor, "b t m d"], list[KeysValues]]:
        """The last level of t new steps, and what to remember of all: pass it back as `past` with the next step.

        Raises ValueError for more than one new step behind a past.
        """
        steps, size = x.shape[1:3]
        if past is not None and steps != 1:
            raise ValueError(f"behind a past steps come one by one, got {steps}")
        told = None if condition is None else condition.repeat_interleave(size, dim=1)
        mask = None if steps == 1 else self._mask(steps, size, x.device)
        tokens, kept = x.flatten(1, 2), list[KeysValues]()
        for index, block in enumerate(self.blocks):
            tokens, remembered = block(tokens, told, mask, rotation, None if past is None else past[index])
            kept.append(remembered)
        return self.norm(tokens).unflatten(1, (steps, size)), kept

    def flops(self, steps: int, size: int) -> int:
        """Operations of one sample of so many steps of so many tokens, forward; masked products are not counted."""
        tokens, pairs = steps * size, size * size * steps * (steps + 1) // 2
        cost = 0
        for block in cast(list[CausalBlock], list(self.blocks)):
            layers = [block.attention.qkv, block.attention.projection, block.mlp.expand, block.mlp.contract]
            layers += [block.modulation] if block.modulation is not None else []
            cost += 2 * tokens * sum(layer.weight.numel() for layer in layers)
            cost += 4 * pairs * block.attention.projection.in_features
        return cost

    def _mask(self, steps: int, size: int, device: torch.device) -> Bool[Tensor, "n n"]:
        """Which tokens each one sees: those of its own step and of earlier ones."""
        key = (steps, size, device)
        if key not in self._masks:
            time = torch.arange(steps, device=device).repeat_interleave(size)
            self._masks[key] = time.unsqueeze(1) >= time
        return self._masks[key]

    def __getstate__(self) -> dict[str, object]:
        """Masks are made anew where they are needed."""
        return {**self.__dict__, "_masks": {}}


pytree.register_dataclass(KeysValues)
