"""The attentive probe of V-JEPA: a learned query reads all tokens of a frozen backbone, and a linear layer the answer.

Names of modules and parameters are those of the released classifiers, so that their weights load as they are.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.probes.features import Encoder, device_of, evaluating, first_readable
from jepakit.probes.result import Outcome, Result, conclude
from jepakit.probes.subject import Subject
from jepakit.probes.training import answered, decay_groups, descend, seeded, stream, told_right
from jepakit.tokens import Tokens


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
        return self.proj(_attend(q, k, v, valid))


class CrossAttention(nn.Module):
    """The queries read all valid tokens. What they read is not projected, as released."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)

    def forward(
        self, query: Float[Tensor, "b q d"], x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None
    ) -> Float[Tensor, "b q d"]:
        q = self.q(query).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(x).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return _attend(q, k, v, valid)


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
    """Tokens -> one vector: `depth` - 1 blocks of self-attention, then a learned query that reads their output."""

    def __init__(self, dim: int, heads: int, depth: int, eps: float) -> None:
        super().__init__()
        self.query_tokens = nn.Parameter(torch.zeros(1, 1, dim))
        self.cross_attention_block = CrossAttentionBlock(dim, heads, eps)
        self.blocks = nn.ModuleList(SelfAttentionBlock(dim, heads, eps) for _ in range(depth - 1))

    def forward(self, x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None = None) -> Float[Tensor, "b d"]:
        for block in self.blocks:
            x = block(x, valid)
        return self.cross_attention_block(self.query_tokens.expand(len(x), -1, -1), x, valid).squeeze(1)


class AttentiveClassifier(nn.Module):
    """Tokens -> logits. One block is the probe of V-JEPA, four are that of V-JEPA 2; released with eps 1e-5.

    Raises ValueError if `heads` do not divide `dim`, or for a depth below 1.
    """

    def __init__(self, dim: int, heads: int, depth: int, classes: int, eps: float = 1e-5) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide a width of {dim}; choose a divisor")
        if depth < 1:
            raise ValueError(f"an attentive probe has at least its one block of cross-attention, got depth={depth}")
        self.pooler = AttentivePooler(dim, heads, depth, eps)
        self.linear = nn.Linear(dim, classes)
        self.apply(_initialize)
        nn.init.trunc_normal_(self.pooler.query_tokens, std=0.02)

    def forward(self, x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None = None) -> Float[Tensor, "b c"]:
        return self.linear(self.pooler(x, valid))


class Patches(nn.Module):
    """Raw pixels as tokens that know where they are: patches, beside sines and cosines of their place."""

    waves = 4

    def __init__(self, channels: int, patch: int, axes: int = 2) -> None:
        super().__init__()
        self.patch = patch
        self.dim = channels * patch**axes + 2 * self.waves * axes

    def forward(
        self, x: Float[Tensor, "b c ..."], keep: Int[Tensor, "b k"] | None = None, layers: tuple[int, ...] | None = None
    ) -> Tokens:
        """What does not fill a patch at the far edges is filled with zeros, so that nothing is lost."""
        missing = [-size % self.patch for size in x.shape[2:]]
        x = F.pad(x, [side for size in reversed(missing) for side in (0, size)])
        for axis in range(2, x.dim()):
            x = x.unfold(axis, self.patch, self.patch)
        count = (x.dim() - 2) // 2
        extent = tuple(x.shape[2 : 2 + count])
        values = x.movedim(1, 1 + count).flatten(1 + count).flatten(1, count)
        grid = torch.meshgrid(*[torch.arange(size, device=x.device) for size in extent], indexing="ij")
        coords = torch.stack(grid, dim=-1).flatten(0, -2).to(x.dtype)
        turns = coords / torch.tensor(extent, device=x.device) * torch.pi
        angles = (turns[..., None] * 2.0 ** torch.arange(self.waves, device=x.device)).flatten(1)
        places = torch.cat([angles.sin(), angles.cos()], dim=1).expand(len(x), -1, -1)
        tokens = Tokens(torch.cat([values, places], dim=2), coords.expand(len(x), -1, -1), None, extent)
        return tokens if keep is None else tokens.take(keep)


@dataclass(frozen=True, kw_only=True)
class Attentive(Config):
    """Attentive classifiers on frozen tokens: a small grid of rates and decays at once, one of them reported.

    AdamW, rates along a cosine to zero, augmented samples, no decay of biases and norms (V-JEPA, 2404.08471,
    appendix). Unlike the released evaluation, the head is chosen on training data, not on the data that is reported.
    """

    blocks: int = 1
    rates: tuple[float, ...] = (1e-3, 3e-4)
    decays: tuple[float, ...] = (0.01, 0.1)
    steps: int = 1000
    batch: int = 128
    head_width: int = 32
    """Attention heads are at least this wide."""
    pixel_patch: int = 4
    """For raw pixels: the side of the patches that are read as tokens."""

    @property
    def name(self) -> str:
        return f"attentive{self.blocks}"

    def measure(self, subject: Subject, seed: int) -> Result:
        """The test accuracy of the one head that is best on the validation split."""
        started = perf_counter()
        splits, sample = subject.splits, first_readable(subject.splits.train)
        encoder = subject.backbone or Patches(sample.shape[1], self.pixel_patch, sample.dim() - 2)
        device = device_of(encoder)
        with evaluating(encoder), seeded(seed):
            heads = self._fit(encoder, subject, seed)
            scores = told_right(_predictor(encoder, heads), splits.validation, self.batch, device).double().mean(dim=0)
            best = int(scores.argmax())
            correct = told_right(_predictor(encoder, heads[best : best + 1]), splits.test, self.batch, device)[:, 0]
        rate, decay = list(itertools.product(self.rates, self.decays))[best]
        outcome = Outcome(
            correct=correct,
            labels=subject.sizes["train"],
            labels_to_choose=subject.sizes["validation"],
            chosen={"rate": rate, "decay": decay, "validation": scores[best].item()},
            chosen_on=splits.chosen_on,
        )
        return conclude(self, subject, [outcome], [seed], started)

    def _fit(self, encoder: Encoder, subject: Subject, seed: int) -> nn.ModuleList:
        device, grid = device_of(encoder), list(itertools.product(self.rates, self.decays))
        shape = (encoder.dim, divisor(encoder.dim, self.head_width), self.blocks, subject.tables[0].classes)
        heads = nn.ModuleList(AttentiveClassifier(*shape) for _ in grid).to(device)
        optimizer = torch.optim.AdamW(
            [group for head, choice in zip(heads, grid, strict=True) for group in decay_groups(head, *choice)]
        )
        batches = stream(subject.splits.augmented, self.batch, self.steps, seed)
        for batch, _ in zip(batches, descend(optimizer, self.steps, warmup=0.0), strict=True):
            with torch.no_grad():
                tokens = encoder(batch.x.to(device))
            labels = answered(batch).to(device)
            # The heads share no parameter, so that the gradient of the sum is the gradient of each.
            losses = [F.cross_entropy(head(tokens.values, tokens.valid), labels) for head in heads]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
        return heads.eval()


def divisor(dim: int, width: int) -> int:
    """The largest number of heads that divides `dim` and leaves each at least `width` wide."""
    return next(heads for heads in range(max(dim // width, 1), 0, -1) if dim % heads == 0)


def _predictor(encoder: Encoder, heads: Iterable[nn.Module]) -> Callable[[Tensor], Tensor]:
    def predict(x: Tensor) -> Tensor:
        tokens = encoder(x)
        return torch.stack([head(tokens.values, tokens.valid).argmax(dim=1) for head in heads], dim=1)

    return predict


def _attend(q: Tensor, k: Tensor, v: Tensor, valid: Tensor | None) -> Tensor:
    mask = None if valid is None else valid[:, None, None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
