"""I-JEPA's training step as one writes it down first: the fixed opponent of the speed and memory benchmarks.

Convolutional patches of the whole picture, explicit softmax attention (or SDPA, as a separate row), the context
repeated for each target block, all tokens through all layers, AdamW and EMA as their defaults. Not part of the library.
"""

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jepakit.contracts import Step
from jepakit.family.ijepa import IJEPA
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.nn.position import grid, sin_cos


class PlainAttention(nn.Module):
    """Softmax of queries times keys, times values."""

    def __init__(self, dim: int, heads: int, sdpa: bool) -> None:
        super().__init__()
        self.heads, self.scale, self.sdpa = heads, (dim // heads) ** -0.5, sdpa
        self.qkv = nn.Linear(dim, 3 * dim)
        self.projection = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if self.sdpa:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = ((q @ k.transpose(-2, -1)) * self.scale).softmax(dim=-1) @ v
        return self.projection(mixed.transpose(1, 2).reshape(b, n, d))


class PlainBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, hidden: int, eps: float, sdpa: bool) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(dim, eps=eps), nn.LayerNorm(dim, eps=eps)
        self.attention = PlainAttention(dim, heads, sdpa)
        self.expand, self.gelu, self.contract = nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.contract(self.gelu(self.expand(self.mlp_norm(x))))


class PlainEncoder(nn.Module):
    """Patches by a strided convolution, positions, then only the tokens at `keep`."""

    def __init__(self, sizes: IJEPA, sdpa: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(sizes.channels, sizes.dim, sizes.patch, sizes.patch)
        self.register_buffer("position", sin_cos(grid(sizes.extent), sizes.dim, (1, 0)))
        hidden = round(sizes.dim * sizes.mlp_ratio)
        blocks = [PlainBlock(sizes.dim, sizes.heads, hidden, sizes.eps, sdpa) for _ in range(sizes.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(sizes.dim, eps=sizes.eps)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        if keep is not None:
            x = pick(x, keep)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class PlainPredictor(nn.Module):
    """Context tokens, repeated for each block of places, and its mask tokens through a narrow transformer."""

    def __init__(self, sizes: IJEPA, sdpa: bool) -> None:
        super().__init__()
        width, heads = sizes.predictor_dim, sizes.predictor_heads or sizes.heads
        self.embedding, self.projection = nn.Linear(sizes.dim, width), nn.Linear(width, sizes.dim)
        self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.position: Tensor
        self.register_buffer("position", sin_cos(grid(sizes.extent), width, (1, 0)))
        blocks = [PlainBlock(width, heads, 4 * width, sizes.eps, sdpa) for _ in range(sizes.predictor_depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width, eps=sizes.eps)

    def forward(self, context: Tensor, keep: Tensor, targets: Tensor) -> Tensor:
        b, m, k = targets.shape
        position = self.position.expand(b, -1, -1)
        seen = (self.embedding(context) + pick(position, keep)).repeat_interleave(m, dim=0)
        asked = self.mask_token + pick(position, targets.flatten(1)).reshape(b * m, k, -1)
        x = torch.cat([seen, asked], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.projection(self.norm(x)[:, -k:]).reshape(b, m * k, -1)


class PlainIJEPA(nn.Module):
    """The whole training step; starts from the weights of `method` and draws its masks with the same masker."""

    def __init__(self, sizes: IJEPA, method: MaskedJEPA, sdpa: bool = False) -> None:
        super().__init__()
        self.encoder, self.predictor = PlainEncoder(sizes, sdpa), PlainPredictor(sizes, sdpa)
        (self.masker,), self.extent = method.maskers, sizes.extent
        cell = (sizes.channels, sizes.patch, sizes.patch)
        self.encoder.load_state_dict(encoder_weights(method.backbone.state_dict(), cell), strict=False)
        self.predictor.load_state_dict(predictor_weights(method.predictor.state_dict()), strict=False)
        self.average = copy.deepcopy(self.encoder).requires_grad_(False)

    def loss(self, x: Tensor, step: Step) -> Tensor:
        """Smooth L1 between predictions and layer-normed answers of the average."""
        coords = grid(self.extent).expand(len(x), -1, -1)
        split = self.masker(coords, self.extent, step.shared, step.rows)
        with torch.no_grad():
            answers = self.average(x)
            answers = pick(F.layer_norm(answers, answers.shape[-1:]), split.targets.flatten(1))
        prediction = self.predictor(self.encoder(x, split.context), split.context, split.targets)
        return F.smooth_l1_loss(prediction, answers)

    def update_average(self, momentum: float) -> None:
        """Lets the average follow."""
        follow(self.average, self.encoder, momentum)


@torch.no_grad()
def follow(averages: nn.Module, currents: nn.Module, momentum: float) -> None:
    """One parameter after the other."""
    for average, current in zip(averages.parameters(), currents.parameters(), strict=True):
        average.mul_(momentum).add_(current, alpha=1 - momentum)


def pick(x: Tensor, index: Tensor) -> Tensor:
    """Tokens at `index`, one list for each sample."""
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def encoder_weights(weights: Mapping[str, Tensor], cell: tuple[int, ...]) -> dict[str, Tensor]:
    """Our backbone's weights, or their gradients, under the names above; `cell` is channels and sides of a patch."""
    found = plain_names(weights, {"tokenizer.projection.": "patches.", "encoder.": ""})
    found["patches.weight"] = found["patches.weight"].unflatten(1, cell)
    return found


def predictor_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our predictor's weights, or their gradients, under the names above."""
    return plain_names(weights, {"mask_tokens": "mask_token", "encoder.": ""})


def plain_names(weights: Mapping[str, Tensor], prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    """The same tensors with each prefix of `prefixes` replaced and the MLP's name left out."""
    renamed = {}
    for name, tensor in weights.items():
        for old, new in prefixes.items():
            if name.startswith(old):
                name = new + name.removeprefix(old)
        renamed[name.replace(".mlp.", ".")] = tensor
    return renamed
