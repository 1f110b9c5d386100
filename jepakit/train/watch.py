"""Watching for collapse while a run goes on: the loss cannot tell, for a collapsed JEPA has a beautiful loss.

The meters are read on a fixed set of training samples, several augmented views of each, through the backbone that is
kept. What each meter means is told in `jepakit.probes.rank`.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.config import Config
from jepakit.contracts import BrokenSample, Dataset
from jepakit.probes.rank import alpha_req, feature_std, lidar, mean_cosine, rank_me
from jepakit.train.stops import Collapsed

FIXED_SEED = 20_230_814
"""Views are drawn with a seed of their own, so that readings of all runs on the same data can be compared."""

Reading = dict[str, float]


@runtime_checkable
class Mixed(Protocol):
    """A data set of several sources, the first of which shows how a run fares: `data.mixture` and its like."""

    @property
    def first_source(self) -> Dataset: ...


@dataclass(frozen=True, kw_only=True)
class Watch(Config):
    """When the alarm rings: RankMe of the features is below `share` of its highest reading, or below `floor`.

    Only after the share `armed` of the run (None: after warmup, in which the rank of a healthy run falls, too), and
    only when it is so in `readings` readings in a row. "warn" says so once and goes on, "off" reads nothing. A loss
    that is not a number stops every run.

    `share` lies between what was read on Fashion-MNIST in the first 700 steps: healthy runs fell to no less than 0.22
    of their highest rank before they rose again, one without stop-gradient to 0.12 and on to 0.07.
    """

    action: Literal["warn", "stop", "off"] = "stop"
    every: int = 100
    readings: int = 3
    share: float = 0.15
    floor: float = 2.0
    armed: float | None = None
    samples: int = 64
    views: int = 4

    def validate(self) -> None:
        """Raises ValueError with one sentence for numbers that cannot be watched with."""
        if self.every < 1 or self.readings < 1:
            raise ValueError(f"watch.every and watch.readings are at least 1, got {self.every} and {self.readings}")
        if self.samples < 3 or self.views < 2:
            raise ValueError(
                f"watch needs 3 samples of 2 views, got {self.samples} of {self.views}: LiDAR compares them"
            )
        if not 0 <= self.share < 1:
            raise ValueError(f"watch.share is a share of the highest rank in [0, 1), got {self.share}")


@dataclass
class Alarm:
    """What the alarm remembers from reading to reading, and in a checkpoint."""

    highest: float = 0.0
    low: int = 0
    rung: bool = False

    def hear(self, config: Watch, reading: Reading, step: int, armed: bool) -> str | None:
        """The sentence to say when the alarm rings for the first time."""
        rank = reading["rank_me"]
        self.highest = max(self.highest, rank)
        limit = max(config.share * self.highest, config.floor)
        self.low = self.low + 1 if armed and rank < limit else 0
        if self.low < config.readings or self.rung:
            return None
        self.rung = True
        return (
            f"the representation collapsed: at step {step} its effective rank is {rank:.1f}, below {limit:.1f} "
            f"({config.share:g} of its highest, {self.highest:.1f}, and at least {config.floor:g}) for "
            f"{self.low} readings in a row; feature std {reading['feature_std']:.3g}, "
            f"mean cosine between samples {reading['mean_cosine']:.3f}. Try a slower target (momentum nearer to 1), "
            f"a lower optimizer.peak, a longer warmup or a larger batch; --watch.action warn goes on regardless"
        )


class Watcher:
    """Reads the meters on samples that are drawn once."""

    def __init__(self, config: Watch, dataset: Dataset) -> None:
        self.config, self.dataset = config, dataset
        self.views: Float[Tensor, "v s ..."] | None = None

    def read(self, backbone: nn.Module, device: torch.device, batch: int) -> Reading:
        """All meters of the backbone now; `batch` is how many views it can take at once."""
        if self.views is None:
            self.views = draw_views(self.dataset, self.config.samples, self.config.views)
        shape = self.views.shape[:2]
        pooled = []
        was_training = backbone.training
        backbone.eval()
        with torch.no_grad():
            for part in self.views.flatten(0, 1).split(batch):
                pooled.append(backbone(part.to(device)).pooled().float())
        backbone.train(was_training)
        return measure(torch.cat(pooled).unflatten(0, shape).transpose(0, 1))


def measure(features: Float[Tensor, "s v d"]) -> Reading:
    """All meters of v views of s samples. Features that are not finite are the worst collapse there is."""
    if not features.isfinite().all():
        raise Collapsed("the features of the watched samples are not finite")
    every, first = features.flatten(0, 1), features[:, 0]
    return {
        "feature_std": feature_std(every),
        "rank_me": rank_me(every),
        "lidar": lidar(features),
        "alpha_req": alpha_req(every),
        "mean_cosine": mean_cosine(first),
    }


def draw_views(dataset: Dataset, samples: int, views: int) -> Float[Tensor, "v s ..."]:
    """Views of samples that are spread evenly over the data set, or over the first source of a mixture.

    Samples that cannot be read are left out, and those whose shape is not the most frequent one: a picture among
    clips. Raises ValueError if fewer than three samples are left, or they hold nothing that a network could see.
    """
    read = dataset.first_source if isinstance(dataset, Mixed) else dataset
    count = min(samples, len(read))
    found = []
    for place in range(count):
        index = place * len(read) // count
        try:
            drawn = [read.get(index, view, FIXED_SEED) for view in range(views)]
        except BrokenSample:
            continue
        if "x" not in drawn[0]:
            raise ValueError("these samples are what a network saw, and it learns no more: --watch.action off")
        found.append(torch.stack([sample["x"] for sample in drawn]))
    shapes = Counter(drawn.shape for drawn in found)
    alike = [drawn for drawn in found if drawn.shape == shapes.most_common(1)[0][0]]
    if len(alike) < 3:
        raise ValueError(
            f"watching for collapse needs 3 readable samples, this data set gave {len(alike)} of {count}; "
            f"give more data or --watch.action off"
        )
    return torch.stack(alike, dim=1)


def require_finite(losses: Mapping[str, float], step: int) -> None:
    """Raises Collapsed when a loss is not a number."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise Collapsed(
                f"at step {step} the loss {name} is {value}. Try a lower optimizer.peak, --clip 1.0, a longer warmup "
                f"or --precision float32; the last checkpoint is from before and intact"
            )
