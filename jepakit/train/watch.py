"""Watching for collapse while a run goes on: the loss cannot tell, for a collapsed JEPA has a beautiful loss.

The meters are read on a fixed set of training samples, several augmented views of each, through the backbone that is
kept and, where a method compares something else, on that: embeddings behind a head can collapse alone, for a network
without a way back from there still has random features. What each meter means is told in `jepakit.probes.rank`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.config import Config, added
from jepakit.contracts import BrokenSample, Dataset, Embedding
from jepakit.probes.features import evaluating
from jepakit.probes.health import intraclass_correlation, spread
from jepakit.probes.rank import alpha_req, feature_std, lidar, mean_cosine, rank_me
from jepakit.tokens import Tokens
from jepakit.train.stops import Collapsed

FIXED_SEED = 20_230_814
"""Views are drawn with a seed of their own, so that readings of all runs on the same data can be compared."""

Reading = dict[str, float]


@runtime_checkable
class Mixed(Protocol):
    """A data set of several sources, the first of which shows how a run fares: `data.mixture` and its like."""

    @property
    def first_source(self) -> Dataset: ...


@runtime_checkable
class Keeping(Protocol):
    """What is watched: a method, or all that is asked of it here."""

    @property
    def kept(self) -> nn.Module: ...


@dataclass(frozen=True, kw_only=True)
class Watch(Config):
    """When the alarm rings: RankMe is below `share` of its highest reading, or below `floor`; or of the squared length
    a smaller share differs between samples than `spread`, and than a tenth of that in the first reading.

    That is asked of features and, where a method has them, of embeddings. These have collapsed, too, where their
    intraclass correlation is below `icc`, and below half of its highest reading: then samples differ no more than views
    of one, as where everything shrinks to a point.

    Only after the share `armed` of the run (None: after warmup, in which the rank of a healthy run falls, too), and
    only when it is so in `readings` readings in a row. "warn" says so once and goes on, "off" reads nothing. A loss
    that is not a number stops every run.

    `share` lies between what was read on Fashion-MNIST in the first 700 steps: healthy runs fell to no less than 0.22
    of their highest rank before they rose again, one without stop-gradient to 0.12 and on to 0.07. `spread` lies
    between what trained networks have (0.08 and more) and those without a stop-gradient (0.0003); `icc` between the
    embeddings of trained networks (0.3 and more) and those of LeJEPA without SIGReg (0.05).
    """

    action: Literal["warn", "stop", "off"] = "stop"
    every: int = 100
    readings: int = 3
    share: float = 0.15
    floor: float = 2.0
    spread: float = added(0.01)
    icc: float = added(0.15)
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
        for name, value in (("spread", self.spread), ("icc", self.icc)):
            if not 0 <= value < 1:
                raise ValueError(f"watch.{name} is in [0, 1), where 0 never rings, got {value}")


RANK, RANK_BEHIND, SPREAD, SPREAD_BEHIND = "rank_me", "embedding_rank", "spread", "embedding_spread"
ICC = "embedding_icc"
"""The readings that the alarm listens to, of features and of what is behind a head."""
FELL, HALF = 0.1, 0.5
"""Shares of the first spread, and of the highest intraclass correlation, that a collapse is below: samples that are
nearly the same have nearly the same features in any network."""


@dataclass
class Alarm:
    """What the alarm remembers from reading to reading, and in a checkpoint."""

    highest: float = 0.0
    low: int = 0
    rung: bool = False
    others: dict[str, float] = field(default_factory=dict)
    """What other readings than the rank are compared with: the first spread, the highest of all else."""

    def hear(self, config: Watch, reading: Reading, step: int, armed: bool) -> str | None:
        """The sentence to say when the alarm rings for the first time."""
        self.remember(reading)
        sign = next(self.signs(config, reading), None)
        self.low = self.low + 1 if armed and sign is not None else 0
        if self.low < config.readings or sign is None or self.rung:
            return None
        self.rung, (what, seen) = True, sign
        return (
            f"the {what} collapsed: at step {step} {seen} for {self.low} readings in a row; feature std "
            f"{reading['feature_std']:.3g}, mean cosine between samples {reading['mean_cosine']:.3f}. Try a slower "
            f"target (momentum nearer to 1), a lower optimizer.peak, a longer warmup or a larger batch; "
            f"--watch.action warn goes on regardless"
        )

    def remember(self, reading: Reading) -> None:
        """Notes what later readings are compared with."""
        self.highest = max(self.highest, reading[RANK])
        first = {name: reading[name] for name in (SPREAD, SPREAD_BEHIND) if name in reading} | self.others
        most = {name: max(reading[name], first.get(name, 0.0)) for name in (RANK_BEHIND, ICC) if name in reading}
        self.others = first | most

    def signs(self, config: Watch, reading: Reading) -> Iterator[tuple[str, str]]:
        """What has collapsed by such a reading, and how that is seen."""
        known = {RANK: self.highest, **self.others}
        parts = (("representation", RANK, SPREAD), ("embedding", RANK_BEHIND, SPREAD_BEHIND))
        for what, rank, varied in parts:
            if rank in reading and reading[rank] < (limit := max(config.share * known[rank], config.floor)):
                yield (
                    what,
                    f"its effective rank is {reading[rank]:.1f}, below {limit:.1f} ({config.share:g} of its highest, "
                    f"{known[rank]:.1f}, and at least {config.floor:g})",
                )
            if varied in reading and reading[varied] < min(config.spread, FELL * known[varied]):
                yield (
                    what,
                    f"{reading[varied]:.2g} of its squared length differs between samples, below {config.spread:g} "
                    f"(in the beginning {known[varied]:.2g})",
                )
        if ICC in reading and reading[ICC] < min(config.icc, HALF * known[ICC]):
            yield (
                "embedding",
                f"samples differ as views of one do: its intraclass correlation is {reading[ICC]:.2f}, below "
                f"{config.icc:g} (at its highest {known[ICC]:.2f})",
            )


class Watcher:
    """Reads the meters on samples that are drawn once."""

    def __init__(self, config: Watch, dataset: Dataset) -> None:
        self.config, self.dataset = config, dataset
        self.views: Float[Tensor, "v s ..."] | None = None

    def read(self, method: Keeping, device: torch.device, batch: int) -> Reading:
        """All meters of the method now; `batch` is how many views it can take at once."""
        if self.views is None:
            self.views = draw_views(self.dataset, self.config.samples, self.config.views)
        views = self.views

        def pooled(network: Callable[[Tensor], Tokens]) -> Float[Tensor, "s v d"]:
            found = [network(part.to(device)).pooled().float() for part in views.flatten(0, 1).split(batch)]
            return torch.cat(found).unflatten(0, views.shape[:2]).transpose(0, 1)

        with evaluating(method), torch.no_grad():
            reading = measure(pooled(method.kept))
            if isinstance(method, Embedding):
                reading |= measure_embeddings(pooled(method.embed))
        return reading


def measure(features: Float[Tensor, "s v d"]) -> Reading:
    """All meters of v views of s samples. Features that are not finite are the worst collapse there is."""
    if not features.isfinite().all():
        raise Collapsed("the features of the watched samples are not finite")
    every, first = features.flatten(0, 1), features[:, 0]
    return {
        "feature_std": feature_std(every),
        SPREAD: spread(every),
        RANK: rank_me(every),
        "lidar": lidar(features),
        "alpha_req": alpha_req(every),
        "mean_cosine": mean_cosine(first),
    }


def measure_embeddings(embeddings: Float[Tensor, "s v d"]) -> Reading:
    """The meters of what is compared."""
    every = embeddings.flatten(0, 1)
    return {
        RANK_BEHIND: rank_me(every),
        SPREAD_BEHIND: spread(every),
        ICC: intraclass_correlation(embeddings),
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
