"""Actions in videos, seen only before they begin: samples for anticipation."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from jepakit.config import Config
from jepakit.contracts import BrokenSample
from jepakit.data.annotations import Action, Vocabulary, read_actions
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.clips import read_clip
from jepakit.data.frames import Clock, Index, Sampling
from jepakit.data.order import generator_for
from jepakit.data.protocols import CORRECT, Protocol, frames_before, moment_of
from jepakit.data.sources import HELD_OUT, Part, hashed_shares
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.video_files import Decoder, Opener

EPIC = "{participant_id}/videos/{video_id}.MP4"
"""Where EPIC-KITCHENS-100 keeps its videos."""


ANTICIPATION_CLIP = ClipTransform(
    sampling=Sampling(frames=32, step=None, fps=8.0, policy="uniform"),
    picture=ImageTransform(size=256, resize="shorter_side"),
)
"""32 frames, 8 a second, as V-JEPA 2 sees EPIC-KITCHENS-100."""


@dataclass(frozen=True, kw_only=True)
class Actions(Config):
    """Tables of actions (`annotations.COLUMNS`), and the videos below `root` that they speak of.

    `layout` says where the video of a row lies, by the columns of the table. `train` and `test` are tables, below the
    root unless their path is absolute; a tenth of the videos of `train`, by a hash of their names, is held out to
    choose by. `frame_rate` overrules the clock of the videos.
    """

    root: str
    train: str = "EPIC_100_train.csv"
    test: str = "EPIC_100_validation.csv"
    layout: str = EPIC
    protocol: Protocol = CORRECT
    transform: ClipTransform = ANTICIPATION_CLIP
    augment: RandomResizedCrop | None = None
    decoder: Decoder = "pyav"
    frame_rate: float | None = None

    def __post_init__(self) -> None:
        if self.transform.sampling.fps is None:
            raise ValueError("seconds before an action are counted in frames a second; set transform.sampling.fps")

    def split(self, part: Part, augmented: bool = False) -> "ActionDataset":
        """The actions of one part; `augmented` draws the seconds before them, and crops if there is an augmentation."""
        train, held, test = self._parts
        return ActionDataset(self, {"train": train, "validation": held, "test": test}[part], augmented)

    @property
    def vocabulary(self) -> Vocabulary:
        """What the training table shows."""
        train, held, _ = self._parts
        return Vocabulary.of([*train, *held])

    def notes(self) -> list[str]:
        """What a user should know of the data."""
        train, held, test = self._parts
        unseen, videos = self.split("test").unseen, {row.video for row in held}
        notes = [
            f"{len(videos)} of {len(videos | {row.video for row in train})} training videos are held out to choose by"
        ]
        if unseen:
            notes.append(
                f"{len(unseen)} of {len(test)} actions to test with are never shown in training, such as {unseen[0]}; "
                "they count where their verb or their noun is asked for, if that was shown, and not as actions"
            )
        return notes

    @cached_property
    def _parts(self) -> tuple[list[Action], list[Action], list[Action]]:
        train, test = (read_actions(Path(self.root) / table, self.layout) for table in (self.train, self.test))
        videos = sorted({row.video for row in train})
        if len(videos) < 2:
            raise ValueError(f"{self.train} names one video only; two are needed to hold one out to choose by")
        shares = hashed_shares(videos)
        limit = max(HELD_OUT, float(shares.min()) + 1e-12)
        held = {video for video, share in zip(videos, shares.tolist(), strict=True) if share < limit}
        held = held if len(held) < len(videos) else set(videos[:1])
        return [row for row in train if row.video not in held], [row for row in train if row.video in held], test


class ActionDataset:
    """Clips that end before an action: a `contracts.Dataset`. `targets` are verb, noun and action by their place in the
    vocabulary, -1 for what training never shows; `labels` are the actions."""

    labels: Int[Tensor, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, config: Actions, actions: Sequence[Action], augmented: bool) -> None:
        vocabulary = config.vocabulary
        self.actions, self.sizes = tuple(actions), vocabulary.sizes
        self.targets = vocabulary.targets(actions)
        self.labels, self.classes = self.targets[:, 2], vocabulary.names
        self._config, self._augmented = config, augmented
        self._opener = Opener(config.decoder, config.frame_rate)

    def __len__(self) -> int:
        return len(self.actions)

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample: "x" [c t h w] float32, and "label". Raises BrokenSample."""
        action, config = self.actions[index], self._config
        if action.start == 0 and config.protocol.point == "start":
            raise BrokenSample(f"{self.name(index)}: the action starts with the video, so there is nothing before it")
        generator, augment = generator_for(seed, epoch, index), config.augment if self._augmented else None
        seconds, share = self._draw(generator)
        with closing(self._opener.path(Path(config.root) / action.path, self.name(index))) as clip:
            fit = config.transform.picture.fit if augment is None else config.transform.crop(augment, generator)
            frames = read_clip(clip, lambda clock: self._choose(clock, action, seconds, share), fit)
        return {"x": config.transform.normalize(frames), "label": self.targets[index, 2]}

    def seconds(self, index: int, epoch: int, seed: int) -> float:
        """How long before the action the sample that `get` gives ends."""
        return self._draw(generator_for(seed, epoch, index))[0]

    def name(self, index: int) -> str:
        """Video, line of the table and words of the action."""
        return self.actions[index].name

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """A permutation that depends on (seed, epoch) alone."""
        return torch.randperm(len(self), generator=generator_for(seed, epoch))

    @property
    def videos(self) -> Int[Tensor, "n"]:
        """The number of the video of each row."""
        numbers = {video: number for number, video in enumerate(dict.fromkeys(row.video for row in self.actions))}
        return torch.tensor([numbers[row.video] for row in self.actions], dtype=torch.int64)

    @property
    def tubelets_per_second(self) -> float:
        """How many steps of time a backbone counts in a second."""
        fps = self._config.transform.sampling.fps
        assert fps is not None, "which the config made sure of"
        return fps / self._config.transform.tubelet

    @property
    def unseen(self) -> tuple[str, ...]:
        """The names of the actions that training never shows."""
        return tuple(self.name(index) for index in torch.nonzero(self.targets[:, 2] < 0)[:, 0].tolist())

    @property
    def previous(self) -> Int[Tensor, "n 3"]:
        """The targets of the last action that began before each one in its video, where there is one, else -1.

        It may still go on when the clip ends: this is more than a clip tells.
        """
        found, last = torch.full_like(self.targets, -1), dict[str, int]()
        for index in sorted(range(len(self)), key=lambda index: self.actions[index].start):
            video = self.actions[index].video
            if video in last:
                found[index] = self.targets[last[video]]
            last[video] = index
        return found

    def _draw(self, generator: Generator) -> tuple[float, float]:
        """Seconds before the point, and how far inside of the action that lies."""
        protocol = self._config.protocol
        if not self._augmented:
            return protocol.seconds, 0.0
        draws = torch.rand(2, generator=generator).tolist()
        ranges = (protocol.drawn, protocol.inside)
        seconds, share = (low + draw * (high - low) for draw, (low, high) in zip(draws, ranges, strict=True))
        return seconds, share

    def _choose(self, clock: Clock, action: Action, seconds: float, share: float) -> Index:
        if action.start >= clock.count:
            raise ValueError(
                f"the action starts at frame {action.start}, and {action.path} has {clock.count} frames; mend the "
                "table, or lay the video there that it speaks of"
            )
        moment = moment_of(clock, self._config.protocol.frame(action, share))
        return frames_before(clock, moment - seconds, self._config.transform.sampling)
