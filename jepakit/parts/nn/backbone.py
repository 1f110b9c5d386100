"""What is kept after training: a tokenizer and an encoder in one."""

from abc import ABC, abstractmethod

from jaxtyping import Int, Shaped
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
    """A transformer on patches: the one that can drop tokens before it looks at them."""

    def __init__(self, tokenizer: PatchTokenizer | Modalities, position: Position, encoder: Transformer) -> None:
        super().__init__(tokenizer.dim)
        self.tokenizer, self.position, self.encoder = tokenizer, position, encoder

    def forward(
        self,
        x: Shaped[Tensor, "..."],
        keep: Int[Tensor, "b k"] | None = None,
        layers: tuple[int, ...] | None = None,
    ) -> Tokens:
        """Tokens of what `transform` made: float32 [b c h w], normalised. One picture [c h w] is a batch of one.

        `keep` names the tokens to look at: the others are dropped before anything is computed from them, and -1 is
        padding. `layers` puts the named levels side by side on the last axis. Raises TypeError for integers.
        """
        require_floats(x)
        single = x.ndim == 1 + len(self.tokenizer.patch)
        tokens = self.tokenizer(x.unsqueeze(0) if single else x, keep)
        assert tokens.extent is not None, "a patch tokenizer always knows its grid"
        placed = tokens.with_values(self.position.add(tokens.values, tokens.coords, tokens.extent))
        return self.encoder(placed, layers, rotation=self.position.rotation(tokens.coords, tokens.extent))

    def flops(self, tokens: int) -> int:
        """Floating point operations of one sample of so many (kept) tokens, forward."""
        return self.tokenizer.flops(tokens) + self.encoder.flops(tokens)


def require_floats(x: Shaped[Tensor, "..."]) -> None:
    """Raises TypeError for bytes: raw pictures, which nobody has normalized yet."""
    if not x.is_floating_point():
        raise TypeError(
            f"a backbone takes normalised floats, got {x.dtype}; pass raw pictures through backbone.transform"
        )
