"""What is kept after training: a tokenizer and an encoder in one."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from jepakit.contracts import Transform
from jepakit.parts.nn.position import Position
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.tokenizers.modalities import Modalities
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.tokens import Tokens


class AnyBackbone(nn.Module, ABC):
    """Raw input -> Tokens of width `dim`, by whatever network.

    `transform` makes its input from files, pictures or arrays; None until it is known.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.transform: Transform | None = None

    @abstractmethod
    def forward(
        self,
        x: Shaped[Tensor, "..."],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
    ) -> Tokens:
        """Tokens of what `transform` made, as `contracts.Backbone` has it."""

    @abstractmethod
    def flops(self, tokens: int) -> int:
        """Floating point operations of one sample of so many (kept) tokens, forward."""


class Backbone(AnyBackbone):
    """A transformer on patches: the one that can drop tokens before it looks at them.

    One that `hides` can also put a learned token in the place of some (BEiT, 2106.08254).
    """

    def __init__(
        self, tokenizer: PatchTokenizer | Modalities, position: Position, encoder: Transformer, hides: bool = False
    ) -> None:
        super().__init__(tokenizer.dim)
        self.tokenizer, self.position, self.encoder = tokenizer, position, encoder
        self.mask_token = nn.Parameter(torch.empty(self.dim)) if hides else None
        if self.mask_token is not None:
            nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(
        self,
        x: Shaped[Tensor, "..."],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
        hide: Int[Tensor, "b k"] | None = None,
    ) -> Tokens:
        """Tokens of what `transform` made: float32 [b c h w], normalised. One picture [c h w] is a batch of one.

        `keep` names the tokens to look at: the others are dropped before anything is computed from them, and -1 is
        padding. `hide` names tokens (of those that are kept) in whose place the learned one is looked at. `layers` puts
        the named levels side by side on the last axis. Raises TypeError for integers, ValueError where nothing hides.
        """
        require_floats(x)
        single = x.ndim == 1 + len(self.tokenizer.patch)
        tokens = self.tokenizer(x.unsqueeze(0) if single else x, keep)
        assert tokens.extent is not None, "a patch tokenizer always knows its grid"
        values = tokens.values if hide is None else self._hidden(tokens.values, hide)
        placed = tokens.with_values(self.position.add(values, tokens.coords, tokens.extent))
        return self.encoder(placed, layers, rotation=self.position.rotation(tokens.coords, tokens.extent))

    def flops(self, tokens: int) -> int:
        """Floating point operations of one sample of so many (kept) tokens, forward."""
        return self.tokenizer.flops(tokens) + self.encoder.flops(tokens)

    def _hidden(self, values: Float[Tensor, "b n d"], hide: Int[Tensor, "b k"]) -> Float[Tensor, "b n d"]:
        if self.mask_token is None:
            raise ValueError("this backbone has no token to hide others behind; build it with hides=True")
        b, n, _ = values.shape
        hidden = torch.zeros(b, n + 1, dtype=torch.bool, device=values.device)  # the last column takes the padding
        hidden.scatter_(1, torch.where(hide < 0, n, hide), True)
        return torch.where(hidden[:, :n, None], self.mask_token.to(values.dtype), values)


def require_floats(x: Shaped[Tensor, "..."]) -> None:
    """Raises TypeError for bytes: raw pictures, which nobody has normalized yet."""
    if not x.is_floating_point():
        raise TypeError(
            f"a backbone takes normalised floats, got {x.dtype}; pass raw pictures through backbone.transform"
        )
