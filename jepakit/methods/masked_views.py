"""The multi-view rule where global views are seen only in part: the rest is left out (MSN), or asked for (iBOT)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from jepakit.contracts import Energy, Losses, Masker, Regularizer, Step, Target
from jepakit.methods.multiview import MultiView, Views, views_of
from jepakit.parts.masks.blockwise import BlockwiseMasker
from jepakit.parts.masks.random import RandomMasker
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.heads import DenseEmbedder, Embedder, as_token, flops_of
from jepakit.tokens import Split, Tokens


class MaskedViews(MultiView):
    """Of each global view only the patches that the masker shows are seen, and the whole view answers (MSN 2204.07141).

    Local views are seen whole.
    """

    def __init__(
        self,
        network: Embedder,
        masker: RandomMasker,
        target: Target,
        energy: Energy,
        regularizer: Regularizer | None = None,
        weights: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__(network, target, energy, None, regularizer, weights)
        self.masker = masker

    def flops(self, *views: int) -> int:
        """Operations of a training step for one sample, by how many tokens each view has as a whole."""
        shown = self.masker.shown(views[0])
        spared = self.network.flops(views[0]) - self.network.flops(shown)
        return super().flops(*views) - 3 * spared * views.count(views[0])

    def _look(self, globals_: Sequence[Tensor], locals_: Sequence[Tensor], step: Step) -> list[tuple[Views, int]]:
        splits = [ask(self.masker, self.network, view, step) for view in globals_]
        tokens = splits[0].context.shape[1] + splits[0].targets.shape[2]
        large, _ = self._embed(globals_, keep=torch.cat([split.context for split in splits]))
        return [(large, tokens), *([self._embed(locals_)] if locals_ else [])]


class HiddenViews(MultiView):
    """Patches of global views are hidden behind a learned token: views tell of each other as in DINO, and what a view
    shows tells what it hides (iBOT, 2111.07832, section 3).

    The target answers with an embedding and those of the patches behind it; `weights` are those of the two questions.
    """

    def __init__(
        self,
        network: DenseEmbedder,
        masker: BlockwiseMasker,
        target: Target,
        energy: Energy,
        weights: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__(network, target, energy)
        self.masker, self.weights = masker, weights

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The mean energies of views among each other and of what each global view hides.

        Raises ValueError if the samples have one view only.
        """
        globals_, locals_ = views_of(batch)
        hidden = [ask(self.masker, self.network, view, step).targets.flatten(1) for view in globals_]
        answers = [self.target(view, self.network) for view in globals_]
        seen: Tokens = self.backbone(torch.cat(globals_), hide=torch.cat(hidden))
        embeddings = self.network.head(seen.pooled()).unflatten(0, (len(globals_), -1))
        counts = [seen.values.shape[1]] * len(globals_)
        if locals_:
            small, tokens = self._embed(locals_)
            embeddings, counts = torch.cat([embeddings, small]), counts + [tokens] * len(locals_)
        pairs = self._pairs(embeddings, torch.stack([answer.values[:, 0] for answer in answers]))
        views = torch.stack([self.compare(as_token(guess), as_token(answer)).mean() for guess, answer in pairs])
        patches = self._fill(seen, hidden, answers)
        terms = {"views": self.weights[0] * views.mean(), "patches": self.weights[1] * patches}
        gflops = step.rows.total * self.flops(*counts) / 1e9
        return Losses(terms, {"gflops": torch.tensor(gflops, dtype=torch.float64)})

    def flops(self, *views: int) -> int:
        """Operations of a training step for one sample, by how many tokens each view has: of global ones first.

        The head sees an embedding of each view, what a global one hides at most and, in the target, every patch.
        """
        answered, head = views.count(views[0]), flops_of(self.network.head)
        backbone = self.backbone
        assert isinstance(backbone, Backbone)
        learning = sum(backbone.flops(tokens) + head for tokens in views) + answered * self.masker.most(views[0]) * head
        return 3 * learning + answered * self.target.flops(views[0], self.network.flops(views[0]))

    def _fill(self, seen: Tokens, hidden: Sequence[Tensor], answers: Sequence[Tokens]) -> Tensor:
        """The mean energy at what each view hides, of all samples: 0 for one that hides nothing."""
        asked = seen.take(torch.cat(list(hidden)))
        guesses = asked.with_values(self.network.head(asked.values))
        # The embedding of the view stands before its patches.
        given = [answer.take(torch.where(index < 0, index, index + 1)).values
                 for answer, index in zip(answers, hidden, strict=True)]  # fmt: skip
        return self.compare(guesses, asked.with_values(torch.cat(given))).mean()


def ask(masker: Masker, network: Embedder, view: Tensor, step: Step) -> Split:
    """Which patches of these views are seen and which are hidden."""
    assert isinstance(network.backbone, Backbone), "what hides patches cuts them itself"
    tokens = network.backbone.tokenizer.cut(view)
    split = masker(tokens.coords, tokens.extent, step.shared, step.rows)
    return Split(split.context.to(view.device), split.targets.to(view.device))
