"""What the command line may ask probes for; apart from the probes, so that `--help` need not import them."""

from dataclasses import dataclass
from typing import Literal

ProbeName = Literal[
    "knn", "logistic", "linear", "attentive", "attentive4", "lowshot12", "lowshot1", "lowshot10", "finetune"
]
STANDARD: tuple[ProbeName, ...] = ("knn", "linear", "logistic", "lowshot12", "lowshot1")
"""Those that need no gradient through the backbone: a minute or two together."""


@dataclass(frozen=True)
class Asked:
    """What is measured, and how samples are read for it."""

    probes: tuple[ProbeName, ...] = STANDARD
    """what to measure; an attentive one leaves its classifier beside the results"""
    segments: int = 1
    """of videos: so many clips of each are read together"""
    views: int = 1
    """of videos: so many crops of each are tested, and their answers averaged"""
    samples: Literal["augmented", "fixed"] = "augmented"
    """of attentive probes: encoded anew for each step, or once and kept in memory"""
    steps: int = 1000
    """of attentive probes, of 128 samples each"""
    layers: tuple[int, ...] = (-1,)
    """of attentive probes: levels of the backbone whose tokens are read side by side, such as -4 -3 -2 -1"""
