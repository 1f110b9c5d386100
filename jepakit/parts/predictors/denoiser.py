"""What a noisy clip was before noise was added, given what came before it."""

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
    """A transformer on noisy patches, each told of the level of noise and of all `context` tokens side by side.

    It says what is clean, not what is noise: patches of more numbers than the transformer is wide can be told so, for
    clips are simple and noise is not (JiT 2511.13720, section 4).
    """

    def __init__(
        self, dim: int, tokenizer: PatchTokenizer, position: GridPosition, encoder: Transformer, context: int
    ) -> None:
        super().__init__()
        self.width = tokenizer.dim
        self.embedding, self.tokenizer, self.position = Linear(context * dim, self.width), tokenizer, position
        self.level = nn.Sequential(Linear(self.width, self.width), nn.SiLU(), Linear(self.width, self.width))
        self.encoder, self.projection = encoder, Linear(self.width, tokenizer.projection.in_features)

    def forward(self, context: Tokens, noisy: Float[Tensor, "b c t h w"], share: Float[Tensor, "b"]) -> Tokens:
        """The clean patches of noisy clips, of which a `share` in [0, 1] is clip and the rest noise.

        Raises ValueError for another number of context tokens than this was made for.
        """
        patches, numbers = self.tokenizer(noisy), context.values.flatten(1)
        if numbers.shape[1] != self.embedding.in_features:
            raise ValueError(f"a context is {self.embedding.in_features} numbers here, got {numbers.shape[1]}; give "
                             f"clips of the size and length that the model was made for")  # fmt: skip
        assert patches.extent is not None, "a patch tokenizer always knows its grid"
        level = self.level(sin_cos(TICKS * share.unsqueeze(1), self.width, (0,)).to(share))
        told = patches.values + (self.embedding(numbers) + level).unsqueeze(1)
        values = self.position.add(told, patches.coords, patches.extent)
        return patches.with_values(self.projection(self.encoder(patches.with_values(values)).values))

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, frames, height and width of the clips that positions were made for."""
        cells = zip(self.position.extent, self.tokenizer.patch, strict=True)
        return self.tokenizer.channels, *(count * size for count, size in cells)

    def flops(self, asked: int) -> int:
        """Operations of one sample of so many patches, forward."""
        patches = self.tokenizer.flops(asked) + 2 * asked * self.projection.weight.numel()
        return patches + 2 * self.embedding.weight.numel() + 4 * self.width**2 + self.encoder.flops(asked)
