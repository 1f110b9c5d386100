"""The attentive classifier of V-JEPA: a learned query reads all tokens, and a linear layer answers.

Names of modules and parameters are those of the released classifiers, so that their weights load as they are.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class MLP(nn.Module):
    """Two linear layers, four times as wide between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        return self.fc2(F.gelu(self.fc1(x)))


class SelfAttention(nn.Module):
    """Every token reads all valid tokens."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None) -> Float[Tensor, "b n d"]:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mask = None if valid is None else valid[:, None, None, :]
        return self.proj(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """The queries read all valid tokens. What they read is not projected, as released.

    Keys and values are never made: q.(Wx) = (W'q).x, a bias of keys adds the same to the scores of all tokens, and
    values are averaged before they are projected. A few queries of h heads then cost h d products a token, not 2 d^2.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)

    def forward(
        self, query: Float[Tensor, "b q d"], x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None
    ) -> Float[Tensor, "b q d"]:
        keys, values = self.kv.weight.unflatten(0, (2, self.heads, -1))
        asked = torch.einsum("bqhe,hed->bhqd", self.q(query).unflatten(-1, (self.heads, -1)), keys)
        scores = asked.flatten(1, 2) @ x.transpose(1, 2) / keys.shape[1] ** 0.5
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None], -torch.inf)
        read = (scores.softmax(dim=-1) @ x).unflatten(1, (self.heads, -1))
        return torch.einsum("bhqd,hed->bqhe", read, values).flatten(2) + self.kv.bias.chunk(2)[1]


class SelfAttentionBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = SelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLP(dim)

    def forward(self, x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None) -> Float[Tensor, "b n d"]:
        x = x + self.attn(self.norm1(x), valid)
        return x + self.mlp(self.norm2(x))


class CrossAttentionBlock(nn.Module):
    """Queries that read tokens; the tokens are normalized, the queries are not (V-JEPA, 2404.08471, appendix)."""

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.xattn = CrossAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLP(dim)

    def forward(
        self, query: Float[Tensor, "b q d"], x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None
    ) -> Float[Tensor, "b q d"]:
        query = query + self.xattn(query, self.norm1(x), valid)
        return query + self.mlp(self.norm2(query))


class AttentivePooler(nn.Module):
    """Tokens -> a vector for each query: `depth` - 1 blocks of self-attention, then learned queries that read them."""

    def __init__(self, dim: int, heads: int, depth: int, eps: float, queries: int = 1) -> None:
        super().__init__()
        self.query_tokens = nn.Parameter(torch.zeros(1, queries, dim))
        self.cross_attention_block = CrossAttentionBlock(dim, heads, eps)
        self.blocks = nn.ModuleList(SelfAttentionBlock(dim, heads, eps) for _ in range(depth - 1))

    def forward(self, x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None = None) -> Float[Tensor, "b q d"]:
        for block in self.blocks:
            x = block(x, valid)
        return self.cross_attention_block(self.query_tokens.expand(len(x), -1, -1), x, valid)


class AttentiveClassifier(nn.Module):
    """Tokens -> logits. One block is the probe of V-JEPA, four are that of V-JEPA 2; released with eps 1e-5.

    `names` are those of the classes, where they are known. `layers` are the levels of the backbone whose tokens it was
    fitted on, side by side, and `segments` the number of clips of a video whose tokens it reads together. Raises
    ValueError if `heads` do not divide `dim`, or for a depth below 1.
    """

    def __init__(self, dim: int, heads: int, depth: int, classes: int, eps: float = 1e-5) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide a width of {dim}; choose a divisor")
        if depth < 1:
            raise ValueError(f"an attentive probe has at least its one block of cross-attention, got depth={depth}")
        self.pooler = AttentivePooler(dim, heads, depth, eps)
        self.linear = nn.Linear(dim, classes)
        self.names: tuple[str, ...] | None = None
        self.layers: tuple[int, ...] = (-1,)
        self.segments = 1
        self.apply(_initialize)
        nn.init.trunc_normal_(self.pooler.query_tokens, std=0.02)

    def forward(self, x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None = None) -> Float[Tensor, "b c"]:
        return self.linear(self.pooler(x, valid).squeeze(1))


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
