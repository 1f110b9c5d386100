"""The masked rule: predict the representation of some tokens from others (I-JEPA 2301.08243, section 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from jepakit.contracts import Energy, Losses, Masker, Prediction, Regularizer, Rows, Step, Target
from jepakit.methods.given import Given, beside, given_to, regularize
from jepakit.parts.energies import nearness
from jepakit.parts.masks.modal import ModalMasker
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.predictors.in_place import InPlacePredictor
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.schedules import Schedule
from jepakit.tokens import Places, Split, Tokens

TRAINED_ROWS = 16
"""Rows of the grid whose steps distances are counted in (V-JEPA 2.1, released code)."""


@dataclass(frozen=True)
class ContextLoss:
    """How much a dense predictor is asked about what it sees, and whether more so near what is hidden (V-JEPA 2.1).

    With `scale_distance` distances are counted in sixteenths of the rows, so that fine grids weigh like coarse ones.
    After the share `distance_until` of a run they do not count any more.
    """

    share: Schedule
    by_distance: bool = True
    scale_distance: bool = False
    distance_until: float = 1.0

    def weight(self, seen: Tokens, hidden: Tokens, progress: float = 0.0) -> Float[Tensor, "b n"] | None:
        """What the error at each seen token is multiplied by; None for one."""
        if not self.by_distance or progress > self.distance_until:
            return None
        rows = seen.extent[-2] if self.scale_distance and seen.extent is not None else 0
        return nearness(seen, hidden, max(rows // TRAINED_ROWS, 1))


@dataclass(frozen=True)
class Filled:
    """A question, what the target says at its hidden places, what was seen, and what the predictor makes of that."""

    split: Split
    hidden: Tokens
    seen: Tokens
    said: Prediction


class MaskedJEPA(nn.Module):
    """The target answers, the masker asks, the backbone sees, the predictor fills in, the energy compares.

    Each of the `maskers` asks about every sample, with the mask token that `families` names (its own, if not given);
    a `ModalMasker` may have nothing to ask about pictures.
    `levels` of the backbone, side by side, are what the predictor reads and, given to the target too, predicts.
    A backbone that `hides` sees a learned token where others see nothing. A `regularizer`, which weighs `weight`, is
    `given` the mean of the context's tokens, once for each masker, if nothing else is asked for; one that compares is
    given the mean of each prediction beside that of its answer.
    """

    def __init__(
        self,
        backbone: Backbone,
        maskers: Sequence[Masker],
        predictor: MaskTokenPredictor | InPlacePredictor,
        target: Target,
        energy: Energy,
        families: Sequence[int] | None = None,
        levels: tuple[int, ...] | None = None,
        context_loss: ContextLoss | None = None,
        hides: bool = False,
        regularizer: Regularizer | None = None,
        weight: float = 1.0,
        given: Given | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.predictor, self.target = backbone, predictor, target
        self.maskers, self.compare = tuple(maskers), energy
        self.families = tuple(families or range(len(self.maskers)))
        self.levels, self.context_loss, self.hides = levels, context_loss, hides
        self.regularizer, self.weight = regularizer, weight
        self.given: Given | None = given

    @property
    def kept(self) -> nn.Module:
        """The backbone to evaluate and export: the average, where the target is one."""
        return self.target.kept(self.backbone)

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The mean energy of a batch {"x": [b c h w]} or {"x": [b c t h w]}, over all maskers."""
        x = batch["x"]
        answers = self.target(x, self.backbone)
        splits = self._ask(answers, step.shared, step.rows)
        filled = self._fill_in(x, answers, splits)
        terms = {"prediction": self._at_places(filled).mean()}
        context = self._at_contexts(filled, answers, step.progress)
        if self.context_loss is not None and context is not None:
            terms["context"] = self.context_loss.share(step.progress) * context.mean()
        if self.regularizer is not None:
            seen, pairs = zip(*((each.seen, beside(each.said.places, each.hidden)) for each in filled), strict=True)
            given = self.given or given_to(self.regularizer)
            terms["regularizer"] = self.weight * regularize(self.regularizer, given, seen, pairs, step)
        return Losses(terms, self._metrics(answers.values.shape[1], splits, step.rows))

    def flops(self, tokens: int, splits: Sequence[Split]) -> int:
        """Operations of a training step for one sample of so many tokens: a backward pass costs two forward ones."""
        learning = 0
        for split in splits:
            context, (_, blocks, places) = tokens if self.hides else split.context.shape[1], split.targets.shape
            learning += self.backbone.flops(context) + self.predictor.flops(context, blocks, places)
        return 3 * learning + self.target.flops(tokens, self.backbone.flops(tokens))

    def energy(self, x: Tensor, y: Tensor, z: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """How badly the hidden places of `y` follow from the context in `x`, per sample: [b]. There is no latent z."""
        if z is not None:
            raise ValueError("a masked JEPA has no latent variable; call energy(x, y)")
        answers = self.target(y, self.backbone)
        rows = Rows(0, len(x), len(x))
        splits = self._ask(answers, generator or torch.Generator().manual_seed(0), rows)
        return self._at_places(self._fill_in(x, answers, splits))

    def after_step(self, step: Step) -> None:
        """Lets the target follow the backbone."""
        self.target.after_step(self.backbone, step)

    def _ask(self, answers: Tokens, generator: Generator, rows: Rows) -> list[Split]:
        asking = [masker for masker, _ in self._asking(answers.extent)]
        splits = [masker(answers.coords, answers.extent, generator, rows) for masker in asking]
        device = answers.values.device
        return [Split(split.context.to(device), split.targets.to(device)) for split in splits]

    def _asking(self, extent: tuple[int, ...] | None) -> list[tuple[Masker, int]]:
        """The maskers that have a question about such tokens, and their mask tokens."""
        pairs = zip(self.maskers, self.families, strict=True)
        return [pair for pair in pairs if not isinstance(pair[0], ModalMasker) or pair[0].asks(extent)]

    def _fill_in(self, x: Tensor, answers: Tokens, splits: Sequence[Split]) -> list[Filled]:
        """What is said to each question."""
        found = []
        for split, (_, family) in zip(splits, self._asking(answers.extent), strict=True):
            hidden, seen = answers.take(split.targets.flatten(1)), self._see(x, split)
            found.append(Filled(split, hidden, seen, self._predict(seen, split, hidden, family)))
        return found

    def _at_places(self, filled: Sequence[Filled]) -> Float[Tensor, "b"]:
        """The energy at what is hidden: the mean over the maskers."""
        return torch.stack([self.compare(each.said.places, each.hidden) for each in filled]).mean(dim=0)

    def _at_contexts(self, filled: Sequence[Filled], answers: Tokens, progress: float) -> Float[Tensor, "b"] | None:
        """The energy of a dense predictor at what is seen; None where nothing is said of it."""
        found = []
        for each in filled:
            if self.context_loss is not None and each.said.context is not None:
                weight = self.context_loss.weight(each.said.context, each.hidden, progress)
                found.append(self.compare(each.said.context, answers.take(each.split.context), weight))
        return torch.stack(found).mean(dim=0) if found else None

    def _see(self, x: Tensor, split: Split) -> Tokens:
        if self.hides:
            return self.backbone(x, hide=split.targets.flatten(1), layers=self.levels)
        return self.backbone(x, keep=split.context, layers=self.levels)

    def _predict(self, context: Tokens, split: Split, hidden: Tokens, family: int) -> Prediction:
        blocks = split.targets.shape[1]
        valid = None if hidden.valid is None else hidden.valid.unflatten(1, (blocks, -1))
        return self.predictor(context, Places(hidden.coords.unflatten(1, (blocks, -1)), valid), family)

    def _metrics(self, tokens: int, splits: Sequence[Split], rows: Rows) -> dict[str, Tensor]:
        share = sum(split.context.shape[1] for split in splits) / len(splits) / tokens
        gflops = rows.total * self.flops(tokens, splits) / 1e9
        return {"context_share": torch.tensor(share), "gflops": torch.tensor(gflops, dtype=torch.float64)}
