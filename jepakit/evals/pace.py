"""What a backbone knows while it still learns: a question so cheap that it can be asked again and again."""

from dataclasses import replace
from typing import Any

import torch

from jepakit.contracts import Dataset
from jepakit.probes.linear import Linear
from jepakit.probes.splits import Labeled, Splits, Subset
from jepakit.probes.subject import Subject

PACE = Linear(rates=(0.03, 0.1, 0.3), decays=(0.0,), steps=500)
"""A linear layer, not kNN: at that, on Fashion-MNIST, pixels and untrained networks are as good as what was learnt."""
LABELS, HELD = 2_000, 1_000
"""Labels that it learns from, and samples of the validation part that judge it."""


def few_labels(data: Labeled, labels: int = LABELS, held: int = HELD) -> Splits:
    """Some of the labeled samples. Nobody looks at the test part: one sample of the validation part stands for it."""
    whole = Splits.of(data)
    train, validation = _some(whole.train, labels), _some(whole.validation, held)
    return replace(whole, train=train, validation=validation, test=Subset(validation, torch.arange(1)))


def pace(backbone: Any, splits: Splits, seed: int) -> float:
    """How much of the validation part is told right: of a backbone, or of raw pixels."""
    return PACE.measure(Subject("pace", backbone, splits), seed).chosen["validation"]


def _some(part: Dataset, count: int) -> Subset:
    """Always the same samples."""
    drawn = torch.randperm(len(part), generator=torch.Generator().manual_seed(0))[:count]
    return Subset(part, drawn.sort().values)
