"""V-JEPA 2's training step as one writes it down first: the fixed opponent of benchmarks/vjepa2_step.py.

Convolutional tubelets of the whole clip, sines and cosines of all places anew in every block and for queries and keys
alike, masks drawn for one clip after the other, all tokens through all layers, AdamW and EMA as their defaults.
Attention is PyTorch's SDPA, as it is on our side. Not part of the library.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.masks_3d import multiplied, plain_masks
from benchmarks.plain import PlainAttention, PlainBlock, encoder_weights, follow, pick, predictor_weights
from jepakit.contracts import Step
from jepakit.family.vjepa2 import VJEPA2
from jepakit.methods.masked import MaskedJEPA

Extent = tuple[int, int, int]
Masks = list[tuple[Tensor, Tensor]]
"""Context [b c] and targets [b k] of each family."""


def turn(x: Tensor, index: Tensor, extent: Extent) -> Tensor:
    """Queries or keys [b h n e], turned by the places at `index` [b n]: pair by pair, axis by axis (RoFormer)."""
    _, rows, columns = extent
    places = (index // (rows * columns), index // columns % rows, index % columns)
    pairs = x.shape[-1] // len(places) // 2
    rates = 10_000.0 ** (-torch.arange(pairs, device=x.device) / pairs)
    parts = []
    for axis, place in enumerate(places):
        angle = (place[:, None, :, None] * rates).repeat_interleave(2, dim=-1)
        part = x[..., 2 * pairs * axis : 2 * pairs * (axis + 1)]
        first, second = part.unflatten(-1, (pairs, 2)).unbind(-1)
        parts.append(part * angle.cos() + torch.stack([-second, first], dim=-1).flatten(-2) * angle.sin())
    return torch.cat([*parts, x[..., 2 * pairs * len(places) :]], dim=-1)


class RotaryAttention(PlainAttention):
    """Attention whose queries and keys are turned by their places."""

    def __init__(self, dim: int, heads: int, extent: Extent) -> None:
        super().__init__(dim, heads, sdpa=True)
        self.extent = extent

    def at(self, x: Tensor, index: Tensor) -> Tensor:
        """Tokens [b n d] that lie at `index` [b n]."""
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(turn(q, index, self.extent), turn(k, index, self.extent), v)
        return self.projection(mixed.transpose(1, 2).reshape(b, n, d))


class RotaryBlock(PlainBlock):
    """A pre-norm transformer block that is told where its tokens lie."""

    def __init__(self, dim: int, heads: int, hidden: int, eps: float, extent: Extent) -> None:
        super().__init__(dim, heads, hidden, eps, sdpa=True)
        self.attention: RotaryAttention = RotaryAttention(dim, heads, extent)

    def at(self, x: Tensor, index: Tensor) -> Tensor:
        """Tokens [b n d] that lie at `index` [b n]."""
        x = x + self.attention.at(self.attention_norm(x), index)
        return x + self.contract(self.gelu(self.expand(self.mlp_norm(x))))


class Stack(nn.Module):
    """Blocks and a norm."""

    def __init__(self, dim: int, depth: int, heads: int, hidden: int, eps: float, extent: Extent) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(RotaryBlock(dim, heads, hidden, eps, extent) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=eps)

    def run(self, x: Tensor, index: Tensor) -> Tensor:
        """Tokens [b n d] that lie at `index` [b n]."""
        for block in self.blocks:
            assert isinstance(block, RotaryBlock)
            x = block.at(x, index)
        return self.norm(x)


class PlainClipEncoder(Stack):
    """Tubelets by a strided convolution, then only the tokens at `keep`."""

    def __init__(self, sizes: VJEPA2) -> None:
        hidden = round(sizes.dim * sizes.mlp_ratio)
        super().__init__(sizes.dim, sizes.depth, sizes.heads, hidden, sizes.eps, sizes.extent)
        self.patches = nn.Conv3d(sizes.channels, sizes.dim, sizes.cell, sizes.cell)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if keep is None:
            return self.run(x, torch.arange(x.shape[1], device=x.device).expand(len(x), -1))
        return self.run(pick(x, keep), keep)


class PlainClipPredictor(Stack):
    """Context tokens and mask tokens through a narrow transformer."""

    def __init__(self, sizes: VJEPA2) -> None:
        width = sizes.predictor_dim
        super().__init__(width, sizes.predictor_depth, sizes.predictor_heads, 4 * width, sizes.eps, sizes.extent)
        self.embedding, self.projection = nn.Linear(sizes.dim, width), nn.Linear(width, sizes.dim)
        self.mask_token = nn.Parameter(torch.zeros(sizes.mask_tokens, width))

    def forward(self, context: Tensor, keep: Tensor, targets: Tensor, family: int) -> Tensor:
        asked = self.mask_token[family].expand(*targets.shape, -1)
        x = self.run(torch.cat([self.embedding(context), asked], dim=1), torch.cat([keep, targets], dim=1))
        return self.projection(x[:, keep.shape[1] :])


class PlainVJEPA2(nn.Module):
    """The whole training step; starts from the weights of `method`."""

    def __init__(self, sizes: VJEPA2, method: MaskedJEPA) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder, self.predictor = PlainClipEncoder(sizes), PlainClipPredictor(sizes)
        self.encoder.load_state_dict(encoder_weights(method.backbone.state_dict(), (sizes.channels, *sizes.cell)))
        self.predictor.load_state_dict(predictor_weights(method.predictor.state_dict()))
        self.average = copy.deepcopy(self.encoder).requires_grad_(False)

    def loss(self, x: Tensor, step: Step) -> Tensor:
        """The loss of masks that are drawn clip by clip."""
        return self.loss_of(x, self.draw(len(x), step.shared))

    def draw(self, count: int, generator: Generator) -> Masks:
        """Masks of every family for so many clips, one after the other."""
        return [
            plain_masks(count, blocks, scale, self.sizes.rectangular, generator, multiplied, self.sizes.extent)
            for blocks, scale in self.sizes.blocks
        ]

    def loss_of(self, x: Tensor, masks: Masks) -> Tensor:
        """L1 between predictions and layer-normed answers of the average, over all families."""
        with torch.no_grad():
            answers = self.average(x)
            answers = F.layer_norm(answers, answers.shape[-1:])
        losses = []
        for (keep, targets), family in zip(masks, self.sizes.mask_token, strict=True):
            prediction = self.predictor(self.encoder(x, keep), keep, targets, family)
            losses.append(F.l1_loss(prediction, pick(answers, targets)))
        return torch.stack(losses).mean()

    def update_average(self, momentum: float) -> None:
        """Lets the average follow."""
        follow(self.average, self.encoder, momentum)
