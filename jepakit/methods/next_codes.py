"""The rule of word after word, for clips: codes stand for patches, and each is foretold from those before it.

The two stages of VideoGPT (2104.10157, section 3) at once: codes learn to be read back, and what foretells them learns
from the codes of the moment without changing them.
"""

from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.contracts import Losses, Step
from jepakit.methods.foretelling import Foretelling
from jepakit.parts.energies import l2
from jepakit.parts.latents.information import usage_entropy
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.predictors.next_code import NextCode
from jepakit.parts.tokenizers.codes import ClipCodes
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.tokens import Tokens


class NextCodes(Foretelling):
    """The future is written in codes, and the predictor, which saw the past, names them one by one."""

    def __init__(
        self, backbone: Backbone, tokenizer: PatchTokenizer, past: int, codes: ClipCodes, predictor: NextCode
    ) -> None:
        super().__init__(backbone, tokenizer, past)
        self.codes, self.predictor = codes, predictor

    def learn(self, context: Tokens, future: Float[Tensor, "b c r h w"], step: Step) -> Losses:
        """How badly codes are foretold, in nats for each, and how badly they are read back."""
        coded = self.codes(future)
        terms = {
            "prediction": self.predictor.lengths(context, coded.index).mean(),
            "reading": l2(coded.pixels, self.target(future, self.backbone)).mean(),
        }
        used = usage_entropy(coded.index.flatten(), self.predictor.codes.num_embeddings).exp()
        return Losses(terms, {"codes_used": used})

    def judge(self, context: Tokens, future: Float[Tensor, "b c r h w"], generator: Generator) -> Float[Tensor, "b"]:
        """How long each future is in codes, to whom the past is known: nats for each code. Nothing is drawn."""
        return self.predictor.lengths(context, self.codes(future).index).mean(dim=1)

    def draw(self, context: Tokens, count: int, generator: Generator) -> Float[Tensor, "n c r h w"]:
        """Codes are drawn, and read back."""
        return self.codes.read(self.predictor.draw(context, count, generator).flatten(0, 1))

    def foretelling_flops(self, future: int) -> int:
        """There and back, and what foretells."""
        return self.codes.flops(future) + self.predictor.flops()
