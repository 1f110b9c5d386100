"""The multi-view rule: predict the embedding of one view of a sample from that of another (LeCun 2022, section 4.4)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from jepakit.contracts import Energy, Losses, Regularizer, Step, Target
from jepakit.parts.nn.heads import Embedder, as_token, flops_of
from jepakit.parts.regularizers.contrastive import PairedInfoNCE
from jepakit.parts.targets import SharedTarget
from jepakit.tokens import Tokens

Asked = Literal["others", "center"]
"""What a view predicts: each other global view, or the mean of the global views, its own included (LeJEPA)."""
Regularized = Literal["views", "pairs"]
"""What a regularizer is given: the embeddings of all views, or each prediction beside its answer (MoCo v3). If nothing
else is asked for, only what takes nothing but such pairs is given them."""

Views = Float[Tensor, "v b k"]
Answers = Float[Tensor, "g b k"]


class MultiView(nn.Module):
    """Views are embedded, the target answers for the global ones, the predictor guesses, the energy compares, and the
    regularizer keeps embeddings from collapsing.

    Samples are {"x": the first global view, "globals": the others [b g-1 c h w], "locals": small views [b l c h w]},
    as `data.views` makes them. `weights` are those of the prediction and of the regularizer. Local views predict, but
    are never predicted (multi-crop, SwAV 2006.09882, section 3.2).
    """

    def __init__(
        self,
        network: Embedder,
        target: Target,
        energy: Energy,
        predictor: nn.Module | None = None,
        regularizer: Regularizer | None = None,
        weights: tuple[float, float] = (1.0, 1.0),
        asked: Asked = "others",
        regularized: Regularized | None = None,
    ) -> None:
        super().__init__()
        self.network, self.target, self.compare = network, target, energy
        self.predictor = nn.Identity() if predictor is None else predictor
        self.regularizer, self.weights = regularizer, weights
        self.asked = asked
        self.regularized = regularized or ("pairs" if isinstance(regularizer, PairedInfoNCE) else "views")

    @property
    def backbone(self) -> nn.Module:
        """What is trained and kept, without its head."""
        return self.network.backbone

    @property
    def kept(self) -> nn.Module:
        """The backbone to evaluate and export: the average, where the target is one."""
        kept = self.target.kept(self.network)
        assert isinstance(kept, Embedder), "what is averaged is what embeds"
        return kept.backbone

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The mean energy between predictions and answers, and the regularizer, of a batch of views.

        Raises ValueError if the samples have one view only.
        """
        globals_, locals_ = views_of(batch)
        seen = self._look(globals_, locals_, step)
        embeddings = torch.cat([views for views, _ in seen])
        answers = self._answer(globals_, embeddings)
        guesses = torch.stack([self.predictor(view) for view in embeddings])
        pairs = self._pairs(guesses, answers)
        terms = {}
        if self.weights[0]:
            energies = [self.compare(as_token(guess), as_token(answer)).mean() for guess, answer in pairs]
            terms["prediction"] = self.weights[0] * torch.stack(energies).mean()
        if self.regularizer is not None:
            terms["regularizer"] = self.weights[1] * self._regularize(embeddings, pairs, step)
        gflops = step.rows.total * self.flops(*(tokens for views, tokens in seen for _ in views)) / 1e9
        return Losses(terms, {"gflops": torch.tensor(gflops, dtype=torch.float64)})

    def flops(self, *views: int) -> int:
        """Operations of a training step for one sample, by how many tokens each view has: of global ones first.

        A backward pass costs two forward ones; the target sees the views that are as large as the first.
        """
        answered = [tokens for tokens in views if tokens == views[0]]
        learning = 3 * sum(self.network.flops(tokens) + flops_of(self.predictor) for tokens in views)
        if isinstance(self.target, SharedTarget):
            return learning
        return learning + sum(self.target.flops(tokens, self.network.flops(tokens)) for tokens in answered)

    def energy(self, x: Tensor, y: Tensor, z: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """How badly the embedding of `y` follows from that of `x`, per sample: [b]. There is no latent z.

        Batch normalization uses what training saw, so that a sample's energy does not depend on its neighbors.
        """
        if z is not None:
            raise ValueError("a multi-view method has no latent variable; call energy(x, y)")
        with evaluating(self):
            guess = self.predictor(self.network(x).values[:, 0])
            return self.compare(as_token(guess), as_token(self.target(y, self.network).values[:, 0]))

    def embed(self, x: Tensor) -> Tokens:
        """The embeddings of views [b c h w], by the network that is kept."""
        return as_token(self.target.kept(self.network)(x).values[:, 0])

    def after_step(self, step: Step) -> None:
        """Lets the target follow the network."""
        self.target.after_step(self.network, step)

    def _look(self, globals_: Sequence[Tensor], locals_: Sequence[Tensor], step: Step) -> list[tuple[Views, int]]:
        """The embeddings of the global and of the local views, and how many tokens such a view has."""
        return [self._embed(views) for views in (globals_, locals_) if views]

    def _embed(self, views: Sequence[Tensor], keep: Int[Tensor, "n c"] | None = None) -> tuple[Views, int]:
        """All views of one size in one pass through the backbone, and their tokens; heads take view after view."""
        tokens = self.backbone(torch.cat(list(views)), keep=keep)
        pooled = tokens.pooled().chunk(len(views))
        return torch.stack([self.network.head(view) for view in pooled]), tokens.values.shape[1]

    def _answer(self, globals_: Sequence[Tensor], embeddings: Views) -> Answers:
        """What is predicted. A network that answers for itself is not asked twice."""
        if isinstance(self.target, SharedTarget):
            own = embeddings[: len(globals_)]
            answers = own.detach() if self.target.stop_gradient else own
        else:
            answers = torch.stack([self.target(view, self.network).values[:, 0] for view in globals_])
        return answers.mean(dim=0, keepdim=True) if self.asked == "center" else answers

    def _pairs(self, guesses: Views, answers: Answers) -> list[tuple[Tensor, Tensor]]:
        own = self.asked == "center"
        return [(guess, answer) for i, guess in enumerate(guesses) for j, answer in enumerate(answers) if own or i != j]

    def _regularize(self, embeddings: Views, pairs: Sequence[tuple[Tensor, Tensor]], step: Step) -> Tensor:
        assert self.regularizer is not None
        if self.regularized == "views":
            return self.regularizer(embeddings, step)
        return torch.stack([self.regularizer(torch.stack(pair), step) for pair in pairs]).mean()


def views_of(batch: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The global and the local views of a batch, one tensor [b c h w] each. Raises ValueError for a single view."""
    more, small = (list(batch[key].unbind(dim=1)) if key in batch else [] for key in ("globals", "locals"))
    if not more and not small:
        raise ValueError("samples have one view, and a multi-view method compares several; give the data `views`")
    return [batch["x"], *more], small


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Meanwhile, batch normalization and the like behave as after training."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
