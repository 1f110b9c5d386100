"""Pictures and clips for one encoder, each cut in its own way."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from jepakit.parts.nn.marks import IMAGE, VIDEO, Marks
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.tokens import Tokens


class StillsTokenizer(PatchTokenizer):
    """Cuts pictures like clips: a single frame stands still for as long as one token takes (OmniMAE, 2206.08356)."""

    def cut(self, x: Float[Tensor, "b c t h w"]) -> Tokens:
        """The raw patches as tokens; those of a picture repeat its pixels for each frame of a token."""
        return super().cut(x.expand(-1, -1, self.patch[0], -1, -1) if x.shape[2] == 1 else x)


class Modalities(nn.Module):
    """A tokenizer for clips and one for pictures, which are clips of a single frame (V-JEPA 2.1, 2603.14482).

    A learned vector tells the encoder which of the two a token comes from.
    """

    takes_turns = True
    """A batch is of pictures or of clips, so that each step leaves the tokenizer of the other ones out."""

    def __init__(self, video: PatchTokenizer, image: PatchTokenizer) -> None:
        super().__init__()
        self.video, self.image = video, image
        self.patch, self.channels, self.dim = video.patch, video.channels, video.dim
        self.marks = Marks(self.dim)

    def forward(self, x: Float[Tensor, "b c t h w"], keep: Int[Tensor, "b k"] | None = None) -> Tokens:
        """Tokens in raster order, or those at `keep`. Raises ValueError for a size that patches do not tile."""
        tokens = self._of(x)(x, keep)
        return tokens.with_values(self.marks(tokens.values, IMAGE if self._of(x) is self.image else VIDEO))

    def cut(self, x: Float[Tensor, "b c t h w"]) -> Tokens:
        """The raw patches as tokens."""
        return self._of(x).cut(x)

    def flops(self, tokens: int) -> int:
        """Operations of projecting so many patches of a clip."""
        return self.video.flops(tokens)

    def resting(self, x: Float[Tensor, "b c t h w"]) -> PatchTokenizer:
        """The tokenizer whose turn it is not."""
        return self.video if self._of(x) is self.image else self.image

    def _of(self, x: Tensor) -> PatchTokenizer:
        return self.image if x.shape[2] == 1 else self.video
