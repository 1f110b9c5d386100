"""What embeddings are compared behind: small networks that are thrown away after training."""

from itertools import pairwise

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from jepakit.parts.nn.batch_norm import BatchNorm
from jepakit.parts.nn.linear import Linear
from jepakit.tokens import Tokens


def make_head(widths: tuple[int, ...], last_norm: bool = False) -> nn.Sequential:
    """Linear layers from width to width, with batch normalization and a ReLU between them (SimCLR 2002.05709).

    With `last_norm` the output is normalized over the batch, too, without scale and shift (SimSiam 2011.10566).
    """
    layers: list[nn.Module] = []
    for number, (width, wider) in enumerate(pairwise(widths), start=2):
        layers.append(Linear(width, wider))
        if number < len(widths):
            layers += [BatchNorm(wider), nn.ReLU()]
    return nn.Sequential(*layers, BatchNorm(widths[-1], affine=False)) if last_norm else nn.Sequential(*layers)


class Projector(nn.Module):
    """Two layers around batch normalization and a GELU, for rows under any leading axes (LeWM 2603.19312, section 3).

    Behind a LayerNorm, rows lie on a sphere and can be no Gaussian; behind this they can.
    """

    def __init__(self, dim: int, hidden: int, width: int) -> None:
        super().__init__()
        self.expand, self.norm, self.contract = Linear(dim, hidden), BatchNorm(hidden), Linear(hidden, width)

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n e"]:
        wide = self.expand(x)
        normal = self.norm(wide.flatten(0, -2)).view(wide.shape)
        return self.contract(nn.functional.gelu(normal))


class Embedder(nn.Module):
    """A backbone and what is compared of it: the mean of its tokens, behind a head, as the one token of a sample."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Shaped[Tensor, "b ..."], layers: tuple[int, ...] | None = None) -> Tokens:
        tokens: Tokens = self.backbone(x, layers=layers)
        return as_token(self.head(tokens.pooled()))

    def flops(self, tokens: int) -> int:
        """Operations of a view of so many tokens, forward."""
        return self.backbone.flops(tokens) + flops_of(self.head)  # pyright: ignore[reportCallIssue]


class DenseEmbedder(Embedder):
    """The embedding of a sample and, behind it, those of its tokens, all through one head (iBOT 2111.07832)."""

    def forward(self, x: Shaped[Tensor, "b ..."], layers: tuple[int, ...] | None = None) -> Tokens:
        tokens: Tokens = self.backbone(x, layers=layers)
        values = torch.cat([tokens.pooled().unsqueeze(1), tokens.values], dim=1)
        coords = torch.cat([torch.zeros_like(tokens.coords[:, :1]), tokens.coords], dim=1)
        return Tokens(self.head(values), coords)

    def flops(self, tokens: int) -> int:
        """Operations of a view of so many tokens, forward."""
        return super().flops(tokens) + tokens * flops_of(self.head)


def flops_of(head: nn.Module) -> int:
    """Operations of one embedding on its way through a head, forward."""
    return 2 * sum(layer.weight.numel() for layer in head.modules() if isinstance(layer, nn.Linear))


def as_token(embedding: Float[Tensor, "b k"]) -> Tokens:
    """An embedding of a sample as the only token of it: what energies compare."""
    return Tokens(embedding.unsqueeze(1), embedding.new_zeros(len(embedding), 1, 1))
