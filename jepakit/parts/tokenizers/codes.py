"""Clips as numbers of codes, and back: pixels as a language of few words (VQ-VAE 1711.00937)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.batch_norm import BatchNorm
from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import GridPosition, grid
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.tokens import Tokens


@dataclass(frozen=True)
class Coded:
    """A clip in codes: their numbers, and the patches that they are read back as."""

    index: Int[Tensor, "b n"]
    pixels: Tokens


class Rounding(nn.Module):
    """Vectors of few numbers, each rounded to one of its `levels`: there are as many codes as products of levels.

    Finite scalar quantization (2309.15505, section 3.1), here by a sigmoid. No codes have to be learnt, so none is left
    behind: of a codebook of 256, learnt on clips that are mostly empty, 16 were used.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"levels are numbers of values that differ, 2 or more each, got {levels}")
        self._levels, self._bases = levels, tuple(math.prod(levels[:axis]) for axis in range(len(levels)))

    def forward(self, vectors: Float[Tensor, "*n z"]) -> tuple[Float[Tensor, "*n z"], Int[Tensor, "*n"]]:
        """Codes and their numbers. The gradient of a code goes to the vector as if that had not been rounded."""
        raised = vectors.sigmoid() * (vectors.new_tensor(self._levels) - 1)
        level = raised.detach().round()
        index = (level.long() * torch.tensor(self._bases, device=level.device)).sum(dim=-1)
        return self._spread(raised + (level - raised).detach()), index

    def look_up(self, index: Int[Tensor, "*n"]) -> Float[Tensor, "*n z"]:
        """The codes of these numbers."""
        levels, bases = (torch.tensor(numbers, device=index.device) for numbers in (self._levels, self._bases))
        return self._spread(index.unsqueeze(-1) // bases % levels)

    def _spread(self, level: Tensor) -> Tensor:
        return 2 * level / (torch.tensor(self._levels, device=level.device) - 1) - 1


class ClipCodes(nn.Module):
    """One code for each patch of the `encoder`, and patches from codes by the `decoder`, which sees all of them.

    Vectors are batch-normalized before they are rounded (Łańcucki et al. 2020, 2005.08520): most patches are empty, and
    without that all of them had the same code for good.
    """

    def __init__(
        self, encoder: Backbone, position: GridPosition, decoder: Transformer, levels: tuple[int, ...]
    ) -> None:
        super().__init__()
        assert isinstance(encoder.tokenizer, PatchTokenizer), "patches of one kind are put back to clips"
        self._paste = encoder.tokenizer.paste  # a bound method, so that the tokenizer is not registered twice
        self.encoder, self.narrow, self.rounding = encoder, Linear(encoder.dim, len(levels)), Rounding(levels)
        self.norm = BatchNorm(len(levels), affine=False)
        self.widen, self.position, self.decoder = Linear(len(levels), encoder.dim), position, decoder
        self.projection = Linear(encoder.dim, encoder.tokenizer.projection.in_features)

    def forward(self, clip: Float[Tensor, "b c t h w"]) -> Coded:
        """Clips in codes, and read back."""
        tokens = self.encoder(clip)
        narrow = self.narrow(tokens.values)
        values, index = self.rounding(self.norm(narrow.flatten(0, 1)).view_as(narrow))
        return Coded(index, self._read(tokens.with_values(values)))

    def read(self, index: Int[Tensor, "b n"]) -> Float[Tensor, "b c t h w"]:
        """The clips that codes stand for, on the grid that positions were made for."""
        coords = grid(self.position.extent, index.device).expand(len(index), -1, -1)
        tokens = Tokens(self.rounding.look_up(index), coords, None, self.position.extent)
        return self._paste(self._read(tokens))

    def flops(self, tokens: int) -> int:
        """Operations of a clip of so many patches there and back, forward."""
        own = sum(layer.weight.numel() for layer in (self.narrow, self.widen, self.projection))
        return self.encoder.flops(tokens) + self.decoder.flops(tokens) + 2 * tokens * own

    def _read(self, codes: Tokens) -> Tokens:
        assert codes.extent is not None, "codes lie on a grid"
        values = self.position.add(self.widen(codes.values), codes.coords, codes.extent)
        return codes.with_values(self.projection(self.decoder(codes.with_values(values)).values))
