"""What a noisy clip was before noise was added, given what came before it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.parts.nn.linear import Linear
from jepakit.parts.nn.position import GridPosition, sin_cos
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.tokens import Tokens

TICKS = 1000.0
"""Steps from noise to clip that sines and cosines count in (DDPM 2006.11239, section 4)."""


class Denoiser(nn.Module):
    """Context, noisy patches and the level of noise are all tokens of one transformer (U-ViT 2209.12152, section 3).

    It says what is clean, not what is noise: patches of more numbers than the transformer is wide can be told so, for
    clips are simple and noise is not (JiT 2511.13720, section 4).
    """

    def __init__(
        self, dim: int, tokenizer: PatchTokenizer, position: GridPosition, encoder: Transformer, width: int
    ) -> None:
        super().__init__()
        self.embedding, self.tokenizer, self.position = Linear(dim, width), tokenizer, position
        self.level = nn.Sequential(Linear(width, width), nn.SiLU(), Linear(width, width))
        self.encoder, self.width = encoder, width
        self.projection = Linear(width, tokenizer.projection.in_features)

    def forward(self, context: Tokens, noisy: Float[Tensor, "b c t h w"], share: Float[Tensor, "b"]) -> Tokens:
        """The clean patches of noisy clips, of which a `share` in [0, 1] is clip and the rest noise."""
        patches = self.tokenizer(noisy)
        assert patches.extent is not None, "a patch tokenizer always knows its grid"
        level = self.level(sin_cos(TICKS * share.view(-1, 1, 1), self.width, (0,)))
        asked = self.position.add(patches.values, patches.coords, patches.extent)
        values = torch.cat([self.embedding(context.values), level, asked], dim=1)
        coords = torch.cat([context.coords, torch.zeros_like(patches.coords[:, :1]), patches.coords], dim=1)
        count = asked.shape[1]
        found = self.encoder(Tokens(values, coords), last=count).values
        return patches.with_values(self.projection(found))

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, frames, height and width of the clips that positions were made for."""
        cells = zip(self.position.extent, self.tokenizer.patch, strict=True)
        return self.tokenizer.channels, *(count * size for count, size in cells)

    def flops(self, context: int, asked: int) -> int:
        """Operations of one sample of so many tokens of context and patches, forward."""
        patches = self.tokenizer.flops(asked) + 2 * asked * self.projection.weight.numel()
        outside = 2 * context * self.embedding.weight.numel() + 4 * self.width**2
        return patches + outside + self.encoder.flops(context + 1 + asked, last=asked)
