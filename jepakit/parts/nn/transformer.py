"""The pre-norm transformer that encoders and predictors share."""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from jepakit.parts.nn.attention import Attention
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import Rotation
from jepakit.tokens import Tokens


class MLP(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.expand = Linear(dim, hidden)
        self.contract = Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        return self.contract(F.gelu(self.expand(x)))


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm and added to its input (ViT; eps 1e-6 as in I-JEPA)."""

    def __init__(self, dim: int, heads: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim, eps=eps)
        self.attention = Attention(dim, heads)
        self.mlp_norm = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLP(dim, hidden)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        valid: Bool[Tensor, "b n"] | None = None,
        last: int | None = None,
        rotation: Rotation | None = None,
    ) -> Float[Tensor, "b q d"]:
        """All tokens of the next level, or only the `last` ones where nobody reads the others."""
        kept = x if last is None else x[:, -last:]
        x = kept + self.attention(self.attention_norm(x), valid, last, rotation)
        return x + self.mlp(self.mlp_norm(x))

    def flops(self, tokens: int, asked: int) -> int:
        """Operations of matrix products when `asked` of the tokens go on: linear layers and attention, forward."""
        dim, linear = self.attention.projection.in_features, self.attention.projection.weight.numel()
        of_all = 2 * linear * tokens
        of_asked = (2 * linear + 2 * self.mlp.expand.weight.numel()) * asked
        return 2 * (of_all + of_asked + 2 * dim * tokens * asked)

    def outputs(self) -> tuple[nn.Linear, nn.Linear]:
        """The layers that write into the residual stream."""
        return self.attention.projection, self.mlp.contract


class Transformer(nn.Module):
    """Tokens -> Tokens: `depth` blocks and a final norm; levels in `own_norms` have a norm of their own."""

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        eps: float = 1e-6,
        own_norms: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        hidden = round(dim * mlp_ratio)
        self.blocks = nn.ModuleList(Block(dim, heads, hidden, eps) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.level_norms = nn.ModuleDict({str(level): nn.LayerNorm(dim, eps=eps) for level in own_norms})

    def forward(
        self,
        tokens: Tokens,
        layers: tuple[int, ...] | None = None,
        last: int | None = None,
        rotation: Rotation | None = None,
    ) -> Tokens:
        """Tokens of the last level, or of the levels numbered in `layers` side by side, each through its norm.

        A level is numbered by its block, from 0; negative numbers count from the end. With `last`, only the last
        tokens are returned and computed in the last block. `rotation` turns queries and keys in every block. Raises
        ValueError for a level that is not there.
        """
        x, levels = tokens.values, []
        wanted = self._levels(layers)
        for index, block in enumerate(self.blocks):
            ends = last if index + 1 == len(self.blocks) else None
            x = block(x, tokens.valid, ends, rotation)
            if index in wanted:
                levels.append(self._norm(index)(x if last is None or ends else x[:, -last:]))
        values = torch.cat(levels, dim=-1) if len(levels) > 1 else levels[0]
        if last is None:
            return tokens.with_values(values)
        valid = None if tokens.valid is None else tokens.valid[:, -last:]
        return Tokens(values, tokens.coords[:, -last:], valid, tokens.extent)

    def flops(self, tokens: int, last: int | None = None) -> int:
        """Operations of one sample of so many tokens, forward; elementwise work is not counted."""
        blocks = cast(list[Block], list(self.blocks))
        cost = sum(block.flops(tokens, tokens) for block in blocks[:-1])
        return cost + sum(block.flops(tokens, tokens if last is None else last) for block in blocks[-1:])

    def _norm(self, level: int) -> nn.Module:
        own = str(level)
        return self.level_norms[own] if own in self.level_norms else self.norm  # noqa: SIM401  (a ModuleDict has no get)

    def _levels(self, layers: tuple[int, ...] | None) -> set[int]:
        depth = len(self.blocks)
        asked = (depth - 1,) if layers is None else layers
        if not asked or any(not -depth <= level < depth for level in asked):
            raise ValueError(f"layers={asked}: this encoder has levels 0 to {depth - 1} (or -{depth} to -1)")
        return {level % depth for level in asked}
