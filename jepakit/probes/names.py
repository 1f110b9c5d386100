"""What probes are called on the command line; apart from the probes, so that `--help` need not import them."""

from typing import Literal

ProbeName = Literal[
    "knn", "logistic", "linear", "attentive", "attentive4", "lowshot12", "lowshot1", "lowshot10", "finetune"
]
STANDARD: tuple[ProbeName, ...] = ("knn", "linear", "logistic", "lowshot12", "lowshot1")
"""Those that need no gradient through the backbone: a minute or two together."""
