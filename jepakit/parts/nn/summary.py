"""A whole clip or picture as one vector that forgets nothing by averaging: what small worlds are predicted in."""

from dataclasses import replace

from jaxtyping import Shaped
from torch import Tensor, nn

from jepakit.parts.nn.backbone import AnyBackbone
from jepakit.tokens import Tokens


class Summary(nn.Module):
    """All `tokens` of a grid side by side, behind a head, as the one token of a sample; the grid has one cell.

    `heads.Embedder` takes the mean of tokens instead, in which the places of things are easily lost.
    """

    def __init__(self, backbone: AnyBackbone, tokens: int, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.tokens, self.head = backbone, tokens, head

    def forward(self, x: Shaped[Tensor, "b ..."], layers: tuple[int, ...] | None = None) -> Tokens:
        """The token of each sample. Raises ValueError for another size than the head was made for."""
        tokens: Tokens = self.backbone(x, layers=layers)
        if (count := tokens.values.shape[1]) != self.tokens:
            raise ValueError(
                f"a summary of {self.tokens} tokens was trained, and {list(x.shape)} gives {count}; give frames of the "
                f"size and number that the model was made for"
            )
        values = self.head(tokens.values.flatten(1)).unsqueeze(1)
        coords = tokens.coords.new_zeros(len(values), 1, tokens.coords.shape[2])
        return replace(tokens, values=values, coords=coords, extent=(1,) * coords.shape[2])

    def flops(self, tokens: int) -> int:
        """Operations of a sample of so many tokens, forward."""
        head = sum(layer.weight.numel() for layer in self.head.modules() if isinstance(layer, nn.Linear))
        return self.backbone.flops(tokens) + 2 * head


class PlaceByPlace(nn.Module):
    """Every token through a head by itself: maps stay maps, of fewer numbers."""

    def __init__(self, backbone: AnyBackbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Shaped[Tensor, "b ..."], layers: tuple[int, ...] | None = None) -> Tokens:
        """As many tokens as the backbone gives."""
        tokens = self.backbone(x, layers=layers)
        return tokens.with_values(self.head(tokens.values))

    def flops(self, tokens: int) -> int:
        """Operations of a sample of so many tokens, forward."""
        head = sum(layer.weight.numel() for layer in self.head.modules() if isinstance(layer, nn.Linear))
        return self.backbone.flops(tokens) + 2 * head * tokens
