"""The masked rule: predict the representation of some tokens from others (I-JEPA 2301.08243, section 3)."""

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn

from jepakit.contracts import Energy, Losses, Masker, Rows, Step, Target
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.tokens import Places, Split, Tokens


class MaskedJEPA(nn.Module):
    """The target answers, the masker asks, the backbone sees, the predictor fills in, the energy compares."""

    def __init__(
        self, backbone: Backbone, masker: Masker, predictor: MaskTokenPredictor, target: Target, energy: Energy
    ) -> None:
        super().__init__()
        self.backbone, self.predictor, self.target = backbone, predictor, target
        self.masker, self.compare = masker, energy

    @property
    def kept(self) -> nn.Module:
        """The backbone to evaluate and export: the average, where the target is one."""
        return self.target.kept(self.backbone)

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        """The mean energy of a batch {"x": [b c h w]}."""
        x = batch["x"]
        answers = self.target(x, self.backbone)
        split = self._ask(answers, step.shared, step.rows)
        energies = self._energies(x, answers, split)
        metrics = {
            "context_share": torch.tensor(split.context.shape[1] / answers.values.shape[1]),
            "gflops": torch.tensor(
                step.rows.total * self.flops(answers.values.shape[1], split) / 1e9, dtype=torch.float64
            ),
        }
        return Losses({"prediction": energies.mean()}, metrics)

    def flops(self, tokens: int, split: Split) -> int:
        """Operations of a training step for one sample of so many tokens: a backward pass costs two forward ones."""
        _, blocks, places = split.targets.shape
        context = split.context.shape[1]
        learning = self.backbone.flops(context) + self.predictor.flops(context, blocks, places)
        return 3 * learning + self.target.passes() * self.backbone.flops(tokens)

    def energy(self, x: Tensor, y: Tensor, z: Tensor | None = None, generator: Generator | None = None) -> Tensor:
        """How badly the hidden blocks of `y` follow from the context in `x`, per sample: [b]. There is no latent z."""
        if z is not None:
            raise ValueError("a masked JEPA has no latent variable; call energy(x, y)")
        answers = self.target(y, self.backbone)
        asked = self._ask(answers, generator or torch.Generator().manual_seed(0), Rows(0, len(x), len(x)))
        return self._energies(x, answers, asked)

    def after_step(self, step: Step) -> None:
        """Lets the target follow the backbone."""
        self.target.after_step(self.backbone, step)

    def _ask(self, answers: Tokens, generator: Generator, rows: Rows) -> Split:
        split = self.masker(answers.coords, answers.extent, generator, rows)
        device = answers.values.device
        return Split(split.context.to(device), split.targets.to(device))

    def _energies(self, x: Tensor, answers: Tokens, split: Split) -> Tensor:
        context = self.backbone(x, keep=split.context)
        hidden = answers.take(split.targets.flatten(1))
        blocks = split.targets.shape[1]
        valid = None if hidden.valid is None else hidden.valid.unflatten(1, (blocks, -1))
        prediction = self.predictor(context, Places(hidden.coords.unflatten(1, (blocks, -1)), valid))
        return self.compare(prediction, hidden)
