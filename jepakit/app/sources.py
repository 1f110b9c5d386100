"""Weights that a verb works with: what was assumed of them, and whose they are, is told before the work begins."""

import sys
from collections.abc import Iterable

from jepakit import pretrained
from jepakit.probes.classifier import AttentiveClassifier

AS_IT_IS = pretrained.Choice()


def open_source(source: str, choice: pretrained.Choice = AS_IT_IS, trusted: bool = False) -> pretrained.Weights:
    """The weights at `source`; their notes and licence go to stderr. Raises ValueError if there are none."""
    weights = pretrained.open_weights(source, trusted, choice.heads, choice.entry)
    _tell(weights.description())
    return weights


def open_classifier(source: str, heads: int | None = None) -> AttentiveClassifier:
    """The classifier at `source`; its notes and licence go to stderr. Raises ValueError if there is none."""
    head = pretrained.find_head(source, heads)
    _tell(head.description())
    return head.classifier()


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)
