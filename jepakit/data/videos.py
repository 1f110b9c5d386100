"""Videos from anywhere as a Dataset of clips: files, lists of files, folders of frames, arrays, tar shards."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from jepakit.config import Config
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.clips import Clip
from jepakit.data.cuts import Cut, ManyViews, MiddleClip, RandomClip, RandomSegments
from jepakit.data.order import generator_for, shuffle
from jepakit.data.sources import Listing, Part, labeled_rows, rows_to_pretrain, settle_parts
from jepakit.data.transforms import RandomResizedCrop
from jepakit.data.video_files import Decoder, Opener
from jepakit.data.video_sources import VideoSource, open_videos


@dataclass(frozen=True, kw_only=True)
class Videos(Config):
    """Videos to train on, and parts of them to measure with.

    `root` is a folder of videos or of folders with frames (with or without folders for train, val, test and for
    classes), a list ("path label" a line, or .npy of paths) or a folder of lists called train, val and test, a .npy or
    .npz file of clips, tar shards ("shards-{0000..0007}.tar" or their folder), or one video. "pictures:ROOT" takes
    whatever `Images` takes as ROOT, each picture as a video of one frame.

    `frame_rate` overrules the clock of the videos, and is the clock of frames and arrays, which have none.
    """

    root: str
    transform: ClipTransform = field(default_factory=ClipTransform)
    augment: RandomResizedCrop | None = None
    decoder: Decoder = "pyav"
    frame_rate: float | None = None

    def __post_init__(self) -> None:
        if self.frame_rate is not None and self.frame_rate <= 0:
            raise ValueError(f"frame_rate is frames a second and above 0, got {self.frame_rate}")

    def build(self) -> "VideoDataset":
        """What is pretrained on: every video outside of the test part, cut at random in time, and augmented."""
        source, listing = self._opened
        return VideoDataset(source, listing, rows_to_pretrain(listing), self._anywhere)

    def split(self, part: Part, augmented: bool = False) -> "VideoDataset | None":
        """The labeled videos of one part, the middle of each, or `augmented` as in training; None if there are none."""
        return self._part(part, self._anywhere if augmented else MiddleClip(self.transform))

    def views(self, part: Part, segments: int = 2, views: int = 3, augmented: bool = False) -> "VideoDataset | None":
        """The labeled videos of one part as `segments` clips of `views` crops each; None if there are none.

        `augmented` ones are clips from anywhere in each segment, in one random crop.
        """
        many = ManyViews(self.transform, segments, views)
        return self._part(part, RandomSegments(self.transform, self.augment, segments) if augmented else many)

    def everything(self, segments: int = 1) -> "VideoDataset":
        """The middle of every video in the order of the source, not augmented: what `embed` goes through.

        Or the middle of each of `segments` equal parts, as one view.
        """
        source, listing = self._opened
        cut = MiddleClip(self.transform) if segments == 1 else ManyViews(self.transform, segments, 1)
        return VideoDataset(source, listing, torch.arange(len(listing.names)), cut)

    def notes(self) -> list[str]:
        """What a user should know of the data: where parts come from, what was passed over."""
        return list(self._opened[1].notes)

    def passed_over(self) -> list[str]:
        """Those of the notes that hold for whoever reads everything, whatever the parts."""
        return list(self._opened[0].listing.notes)

    def _part(self, part: Part, cut: Cut) -> "VideoDataset | None":
        source, listing = self._opened
        rows = labeled_rows(listing, part)
        return VideoDataset(source, listing, rows, cut) if len(rows) else None

    @property
    def _anywhere(self) -> RandomClip:
        return RandomClip(self.transform, self.augment)

    @cached_property
    def _opened(self) -> tuple[VideoSource, Listing]:
        source = open_videos(self.root, Opener(self.decoder, self.frame_rate))
        return source, settle_parts(source.listing)


@dataclass(frozen=True)
class SeveralViews:
    """Videos for a probe that reads several segments of each, and averages over several views of the tested ones."""

    videos: Videos
    segments: int
    views: int

    def split(self, part: Part, augmented: bool = False) -> "VideoDataset | None":
        """One part; training sees one view of each segment, in a random crop where `augmented`."""
        return self.videos.views(part, self.segments, 1 if part == "train" else self.views, augmented)


class VideoDataset:
    """Some rows of a source, each cut into what a backbone takes: a `contracts.Dataset` with an order of its own."""

    labels: Int[Tensor, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(self, source: VideoSource, listing: Listing, rows: Int[Tensor, "n"], cut: Cut) -> None:
        labels = None if listing.labels is None else listing.labels[rows]
        self.labels = labels if labels is not None and bool((labels >= 0).all()) else None
        self.classes = listing.classes if self.labels is not None else None
        self._source, self._listing, self._rows, self._cut = source, listing, rows, cut

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample: "x" float32, [c t h w] (or as `ManyViews` says), and "label" where all videos have one.

        Raises BrokenSample.
        """
        with closing(self.open(index)) as clip:
            sample = {"x": self._cut(clip, generator_for(seed, epoch, index))}
        return sample if self.labels is None else {**sample, "label": self.labels[index]}

    def open(self, index: int) -> Clip:
        """The whole video, to be closed by who asked for it. Raises BrokenSample."""
        return self._source.open(int(self._rows[index]))

    def name(self, index: int) -> str:
        """The path below the root or as it is listed, the shard and member, or the row."""
        return self._listing.names[int(self._rows[index])]

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """A permutation that depends on (seed, epoch) alone."""
        return shuffle(self._listing, self._rows, epoch, seed)
