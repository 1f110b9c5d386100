"""Recorded trajectories to learn the consequences of actions from: windows of frames, and what was done in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from jepakit import poses
from jepakit.config import Config
from jepakit.contracts import BrokenSample
from jepakit.data.order import generator_for
from jepakit.data.sources import Part, hashed_shares
from jepakit.data.trajectory import Episodes, Numbers
from jepakit.data.trajectory_open import open_trajectories
from jepakit.data.transforms import ImageTransform

Blocks = Literal["concatenate", "sum", "poses"]
SMALL_PICTURE = ImageTransform(size=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
_STILL = 1e-6
"""Below this a number counts as constant, and is not scaled: it would become noise."""


@dataclass(frozen=True, kw_only=True)
class Trajectories(Config):
    """Episodes under `root` in any format of `open_trajectories`, cut into windows that never leave their episode.

    A window has `frames` pictures, `skip` moments apart. What was done between two of them is one action: all of them
    side by side ("concatenate", as LeWorldModel has it), their sum (differences of places add up), or the difference
    of the poses before and after ("poses", as V-JEPA 2-AC has it; proprio is then a pose, see `jepakit.poses`).
    Windows begin every `stride` moments. Each episode belongs to one part, chosen by a hash of its name and `seed`.
    """

    root: str
    frames: int = 4
    skip: int = 1
    blocks: Blocks = "concatenate"
    stride: int = 1
    transform: ImageTransform = SMALL_PICTURE
    held_out: float = 0.1
    """The share of episodes that is kept for validation, and as much again for test."""
    episodes: int | None = None
    """Train on so many episodes alone; those of a smaller number are among those of a larger one."""
    seed: int = 0
    states: bool = False
    """Samples also hold "states" [t k], where they were recorded: for probes, never for training."""
    camera: str | None = None
    """Which pictures to take, where there are several."""

    def __post_init__(self) -> None:
        if self.frames < 1 or min(self.skip, self.stride) < 1:
            raise ValueError(f"frames, skip and stride are at least 1: {self.frames}, {self.skip}, {self.stride}")
        if not 0 < self.held_out < 0.5:
            raise ValueError(f"held_out is a share of the episodes in (0, 0.5), taken twice, got {self.held_out}")
        if self.episodes is not None and self.episodes < 1:
            raise ValueError(f"episodes is how many to train on and at least 1, got {self.episodes}")

    def build(self) -> "TrajectoryDataset":
        """What is trained on: the windows of the train part."""
        return self.split("train")

    def split(self, part: Part, augmented: bool = False) -> "TrajectoryDataset":
        """The windows of one part; there is no augmentation, for actions would have to follow it."""
        found = open_trajectories(Path(self.root), self.camera)
        return TrajectoryDataset(self, found, self.rows(found, part), part)

    def statistics(self) -> "Statistics":
        """Mean and deviation of what is done and felt in the train part, for a model to scale its input by."""
        return self.build().statistics()

    def notes(self) -> list[str]:
        """What a user should know of the data."""
        found = open_trajectories(Path(self.root), self.camera)
        counts = {part: len(self.rows(found, part)) for part in ("train", "validation", "test")}
        notes = [", ".join(f"{count} episodes for {part}" for part, count in counts.items())]
        if self.episodes is not None and counts["train"] < self.episodes:
            notes.append(f"episodes asks for {self.episodes} to train on, and there are no more than {counts['train']}")
        short = sum(length < self.moments for length in found.lengths)
        if short:
            notes.append(f"{short} episodes are shorter than a window of {self.moments} moments, and are left out")
        if found.broken:
            name, reason = next(iter(found.broken.items()))
            notes.append(f"{len(found.broken)} broken episodes are left out, the first is {name}: {reason}")
        return [*notes, *found.notes]

    @property
    def moments(self) -> int:
        """How many moments of an episode a window spans."""
        return (self.frames - 1) * self.skip + 1

    def picture(self, episodes: Episodes, row: int, moments: range) -> Float[Tensor, "c t h w"]:
        """The clip of these moments of an episode, as a network takes it. Raises BrokenSample."""
        transform = self.transform
        frames = torch.from_numpy(episodes.frames(row, moments)).permute(0, 3, 1, 2)
        if frames.shape[1:] != (transform.channels, transform.size, transform.size) or transform.crop_share != 1:
            frames = torch.stack([transform.fit(frame) for frame in frames])
        pixels = frames.transpose(0, 1).contiguous()
        return transform.normalize(pixels.flatten(1, 2)).unflatten(1, tuple(pixels.shape[1:3]))

    def rows(self, episodes: Episodes, part: Part) -> list[int]:
        """The episodes of a part, in the order in which `episodes` counts them."""
        shares = hashed_shares([f"{self.seed}/{name}" for name in episodes.names])
        if part == "train":
            rows = [int(row) for row in shares.argsort(descending=True) if shares[row] >= 2 * self.held_out]
            return rows if self.episodes is None else rows[: self.episodes]
        low = self.held_out if part == "validation" else 0.0
        return torch.nonzero((shares >= low) & (shares < low + self.held_out))[:, 0].tolist()


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of actions (as samples hold them) and of proprio; 1 where nothing ever changes."""

    action_mean: tuple[float, ...]
    action_std: tuple[float, ...]
    proprio_mean: tuple[float, ...] | None = None
    proprio_std: tuple[float, ...] | None = None


class TrajectoryDataset:
    """Windows of some episodes: a `contracts.Dataset`.

    Samples are {"x" [c t h w], "actions" [t-1 a]}, with "proprio" [t p] where it was recorded, and "states" [t k] where
    asked for. Numbers are kept in memory, pictures are read when they are asked for. Raises ValueError where there is
    no window, or episodes do not fit together.
    """

    labels: Int[Tensor, "n"] | None = None
    classes: tuple[str, ...] | None = None

    def __init__(self, config: Trajectories, episodes: Episodes, rows: Sequence[int], part: Part) -> None:
        self._config, self._episodes = config, episodes
        counts = {row: (episodes.lengths[row] - config.moments) // config.stride + 1 for row in rows}
        self._rows = [row for row in rows if counts[row] > 0]
        self._ends = np.cumsum([counts[row] for row in self._rows], dtype=np.int64)
        self._numbers: dict[int, Numbers | BrokenSample] = {row: _numbers_of(episodes, row) for row in self._rows}
        if not self._rows:
            raise ValueError(
                f"{config.root}: the {part} part has {len(rows)} episodes, none of {config.moments} moments or more; "
                "collect more, or ask for a shorter window"
            )
        self._require_alike()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The window with this number. Nothing in it is random. Raises BrokenSample."""
        row, first = self._locate(index)
        numbers = self._readable(row)
        moments = range(first, first + self._config.moments, self._config.skip)
        sample = {**self._seen(row, moments), "actions": self._blocks(numbers, moments)}
        if numbers.proprio is not None:
            sample["proprio"] = torch.from_numpy(numbers.proprio[moments.start : moments.stop : moments.step])
        if self._config.states:
            if numbers.states is None:
                raise BrokenSample(f"{self._episodes.names[row]}: the states of the world were not recorded")
            sample["states"] = torch.from_numpy(numbers.states[moments.start : moments.stop : moments.step])
        return sample

    def name(self, index: int) -> str:
        """The episode, and the moment at which the window begins."""
        row, first = self._locate(index)
        return f"{self._episodes.names[row]} from moment {first}"

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """A permutation that depends on (seed, epoch) alone."""
        return torch.randperm(len(self), generator=generator_for(seed, epoch))

    def statistics(self) -> Statistics:
        """Mean and deviation over all moments of the episodes here. Broken ones tell nothing."""
        known = [numbers for numbers in self._numbers.values() if isinstance(numbers, Numbers)]
        skip = self._config.skip
        starts = [
            self._blocks(numbers, range(first, len(numbers.actions) + 1, skip))
            for numbers in known
            for first in range(min(skip, len(numbers.actions) + 1 - skip))
        ]
        if not starts:
            raise ValueError(f"{self._config.root}: no episode is long enough to tell how large actions are")
        action_mean, action_std = _moments_of(torch.cat(starts))
        felt = [torch.from_numpy(numbers.proprio) for numbers in known if numbers.proprio is not None]
        return Statistics(action_mean, action_std, *(_moments_of(torch.cat(felt)) if felt else (None, None)))

    def _locate(self, index: int) -> tuple[int, int]:
        """The episode of a window, and its first moment."""
        place = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        return self._rows[place], (index - before) * self._config.stride

    def _seen(self, row: int, moments: range) -> dict[str, Tensor]:
        """What a sample holds of what was seen at these moments."""
        return {"x": self._config.picture(self._episodes, row, moments)}

    def _blocks(self, numbers: Numbers, moments: range) -> Float[Tensor, "u a"]:
        """What was done between these moments."""
        if self._config.blocks == "poses":
            assert numbers.proprio is not None
            seen = torch.from_numpy(numbers.proprio[moments.start : moments.stop : moments.step]).double()
            return poses.difference(seen[:-1], seen[1:]).float()
        last = moments.start + (len(moments) - 1) * moments.step
        parts = torch.from_numpy(numbers.actions[moments.start : last]).unflatten(0, (len(moments) - 1, moments.step))
        return parts.flatten(1) if self._config.blocks == "concatenate" else parts.sum(dim=1)

    def _readable(self, row: int) -> Numbers:
        found = self._numbers[row]
        if isinstance(found, BrokenSample):
            raise found
        return found

    def _require_alike(self) -> None:
        """Raises ValueError where episodes have other sizes than the first, or no poses to take differences of."""
        sizes = {row: _sizes_of(found) for row, found in self._numbers.items() if isinstance(found, Numbers)}
        if not sizes:
            raise ValueError(f"{self._config.root}: none of its episodes can be read")
        first = next(iter(sizes))
        for row, size in sizes.items():
            if size != sizes[first]:
                names = self._episodes.names
                raise ValueError(f"episode {names[row]} has sizes {size}, {names[first]} has {sizes[first]}")
        if self._config.blocks == "poses" and sizes[first]["proprio"] != poses.POSE:
            raise ValueError("differences of poses need a proprio of 7 numbers, [x y z roll pitch yaw grip]")
        if self._config.states and sizes[first]["states"] is None:
            raise ValueError(f"{self._config.root}: the states of the world were not recorded; set states to False")


def _numbers_of(episodes: Episodes, row: int) -> Numbers | BrokenSample:
    try:
        return episodes.numbers(row)
    except BrokenSample as error:
        return error


def _sizes_of(numbers: Numbers) -> dict[str, int | None]:
    values = {"actions": numbers.actions, "proprio": numbers.proprio, "states": numbers.states}
    return {key: None if value is None else value.shape[1] for key, value in values.items()}


def _moments_of(values: Float[Tensor, "n k"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean, std = values.double().mean(dim=0), values.double().std(dim=0, correction=0)
    return tuple(mean.tolist()), tuple(torch.where(std < _STILL, 1.0, std).tolist())
