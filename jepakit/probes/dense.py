"""Dense probes: what do frozen tokens tell of every pixel under them? Segmentation and depth by a linear layer.

The protocols are those of DINOv3's linear probes on ADE20K and NYUv2, for pictures and for clips.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.probes.attentive import Patches
from jepakit.probes.dense_grids import Grids, Truth, encode_grids
from jepakit.probes.dense_heads import Fitting, count_pixels, fit_heads
from jepakit.probes.dense_metrics import confusion, depth_sums, iou, is_known, resampled, rmse
from jepakit.probes.features import Encoder, device_of, first_readable
from jepakit.probes.result import Result
from jepakit.probes.subject import Subject

INVARIANCE = 0.5
"""How much of an error of scale is forgiven in training (Eigen et al. 2014, 1406.2283, equation 4)."""


@dataclass(frozen=True, kw_only=True)
class DenseProbe(Config, ABC):
    """A linear head for every rate, trained on tokens that are encoded once; the best on validation is reported."""

    truth: ClassVar[Truth]
    metric: ClassVar[str]
    higher_is_better: ClassVar[bool]
    fitting: Fitting = field(default_factory=Fitting)
    pixel_patch: tuple[int, int, int] = (2, 8, 8)
    """For raw pixels: frames, rows and columns of the patches that are read as tokens; for pictures the last two."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What stands in the table."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers the head gives for a pixel."""

    @abstractmethod
    def loss(self, maps: Float[Tensor, "b o h w"], truth: Tensor) -> Float[Tensor, ""]:
        """What the head is trained by."""

    @abstractmethod
    def count(self, maps: Float[Tensor, "b o h w"], truth: Tensor) -> Float[Tensor, "b s"]:
        """Sums over the pixels of each picture, of which figures are made."""

    @abstractmethod
    def figure(self, sums: Float[Tensor, "*n s"]) -> Float[Tensor, "*n"]:
        """The figure that is reported."""

    @abstractmethod
    def others(self, sums: Float[Tensor, "s"]) -> dict[str, float]:
        """Further figures, by name."""

    def measure(self, subject: Subject, seed: int) -> Result:
        """The figure on the test split of the one head that is best on the validation split.

        Raises ValueError where samples lack the truth, or tokens are on no grid.
        """
        started, splits = perf_counter(), subject.splits
        parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
        encoder = subject.backbone or self._raw(splits.train)
        grids = {name: encode_grids(encoder, part) for name, part in parts.items()}
        train, validation, test = (part.known(self.truth) for part in grids.values())
        device = device_of(encoder)
        heads = fit_heads(grids["train"], train, self.outputs, self.loss, self.fitting, seed, device)
        scores = self.figure(count_pixels(heads, grids["validation"], validation, self.count).sum(dim=1))
        worst = -torch.inf if self.higher_is_better else torch.inf
        ranked = torch.where(scores.isfinite(), scores, worst)
        best = int(ranked.argmax() if self.higher_is_better else ranked.argmin())
        sums = count_pixels(heads, grids["test"], test, self.count)[best]
        chosen = {"rate": self.fitting.rates[best], "validation": scores[best].item()}
        return self._conclude(subject, grids, sums, chosen, seed, started)

    def _raw(self, dataset: Dataset) -> Encoder:
        _, channels, *sizes = first_readable(dataset).shape
        patch = self.pixel_patch[-len(sizes) :]
        if any(size % side for size, side in zip(sizes, patch, strict=True)):
            raise ValueError(f"patches of {patch} do not tile samples of {tuple(sizes)}; choose another pixel_patch")
        return Patches(channels, patch)

    def _conclude(
        self,
        subject: Subject,
        grids: Mapping[str, Grids],
        sums: Tensor,
        chosen: dict[str, float],
        seed: int,
        started: float,
    ) -> Result:
        low, high = resampled(sums, self.figure)
        value = self.figure(sums.sum(dim=0)).item()
        sizes = {name: len(part) for name, part in grids.items()}
        return Result(
            probe=self.name,
            subject=subject.name,
            value=value,
            low=low,
            high=high,
            interval="bootstrap over the test samples",
            values=(value,),
            seeds=(seed,),
            splits=sizes,
            labels=sizes["train"],
            labels_to_choose=sizes["validation"],
            chosen=chosen,
            chosen_on=subject.splits.chosen_on,
            unreadable={name: part.unreadable for name, part in grids.items()},
            settings=self.to_json(),
            seconds=perf_counter() - started,
            metric=self.metric,
            others=self.others(sums.sum(dim=0)),
        )


@dataclass(frozen=True, kw_only=True)
class Segmentation(DenseProbe):
    """Which of `classes` is seen at every pixel: cross-entropy, and mean intersection over union (higher is better).

    A sample's "mask" numbers them; what is below 0 is unknown and does not count. Counts are added up over all pixels
    of the split before they are divided, and a class that neither is there nor was found has no share in the mean.
    """

    truth = "mask"
    metric = "mean IoU"
    higher_is_better = True
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise ValueError(f"a segmentation tells at least 2 classes apart, got {self.classes}")

    @property
    def name(self) -> str:
        return "segmentation"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def loss(self, maps: Float[Tensor, "b o h w"], truth: Int[Tensor, "b h w"]) -> Float[Tensor, ""]:
        """Cross-entropy, the mean over the pixels that are known."""
        wanted = self._checked(truth)
        return F.cross_entropy(maps, wanted, ignore_index=-1, reduction="sum") / (wanted >= 0).sum().clamp(min=1)

    def count(self, maps: Float[Tensor, "b o h w"], truth: Int[Tensor, "b h w"]) -> Float[Tensor, "b s"]:
        """The confusion of classes, flattened."""
        return confusion(maps.argmax(dim=1), self._checked(truth), len(self.classes)).flatten(1)

    def figure(self, sums: Float[Tensor, "*n s"]) -> Float[Tensor, "*n"]:
        """The mean over the classes of their intersection over union."""
        return iou(self._table(sums)).nanmean(dim=-1)

    def others(self, sums: Float[Tensor, "s"]) -> dict[str, float]:
        """The share of pixels told right, and the intersection over union of each class."""
        table = self._table(sums)
        each = {f"IoU of {name}": value for name, value in zip(self.classes, iou(table).tolist(), strict=True)}
        right = (table.diagonal().sum() / table.sum()).item()
        return {"pixel accuracy": right, **{name: value for name, value in each.items() if value == value}}

    def _table(self, sums: Float[Tensor, "*n s"]) -> Float[Tensor, "*n k k"]:
        return sums.unflatten(-1, (len(self.classes), -1))

    def _checked(self, truth: Int[Tensor, "b h w"]) -> Int[Tensor, "b h w"]:
        if int(truth.max()) >= len(self.classes):
            raise ValueError(
                f"a mask holds the class {int(truth.max())}, but only {len(self.classes)} are named, from 0 on: "
                f"{', '.join(self.classes)}"
            )
        return truth.long().clamp(min=-1)


@dataclass(frozen=True, kw_only=True)
class Depth(DenseProbe):
    """How far away what is seen at every pixel is, by bins from `nearest` to `farthest`: RMSE (lower is better).

    A linear layer gives each of `bins` depths a weight, and their mean is the answer (after AdaBins, 2011.14141). It is
    trained by the scale-invariant loss in logarithms. A depth that is not above 0 is unknown and does not count.
    """

    truth = "depth"
    metric = "RMSE"
    higher_is_better = False
    nearest: float
    farthest: float
    bins: int = 16

    def __post_init__(self) -> None:
        if not 0 < self.nearest < self.farthest:
            raise ValueError(f"depths go from nearest to farthest, above 0, got {self.nearest} to {self.farthest}")
        if self.bins < 2:
            raise ValueError(f"depth needs at least 2 bins, got {self.bins}")

    @property
    def name(self) -> str:
        return "depth"

    @property
    def outputs(self) -> int:
        return self.bins

    def loss(self, maps: Float[Tensor, "b o h w"], truth: Float[Tensor, "b h w"]) -> Float[Tensor, ""]:
        """Of the error in logarithms: the mean square less a share of the square of the mean, picture by picture."""
        known = is_known(truth)
        error = torch.where(known, self.depth(maps).log() - torch.where(known, truth, 1.0).log(), 0.0)
        count = known.sum((1, 2)).clamp(min=1)
        return (error.square().sum((1, 2)) / count - INVARIANCE * (error.sum((1, 2)) / count).square()).mean()

    def count(self, maps: Float[Tensor, "b o h w"], truth: Float[Tensor, "b h w"]) -> Float[Tensor, "b s"]:
        """Sums of errors, as `depth_sums` has them."""
        return depth_sums(self.depth(maps), truth)

    def figure(self, sums: Float[Tensor, "*n s"]) -> Float[Tensor, "*n"]:
        """The root of the mean squared error."""
        return rmse(sums)

    def others(self, sums: Float[Tensor, "s"]) -> dict[str, float]:
        """The mean error as a share of the truth, and the share of pixels wrong by less than a quarter."""
        return {"abs_rel": (sums[2] / sums[0]).item(), "a1": (sums[3] / sums[0]).item()}

    def depth(self, maps: Float[Tensor, "b o h w"]) -> Float[Tensor, "b h w"]:
        """The mean of the depths of the bins, by the weights that the head gives them."""
        depths = torch.linspace(self.nearest, self.farthest, self.bins, device=maps.device)
        return torch.einsum("bohw,o->bhw", maps.softmax(dim=1), depths)
