"""Long videos -> features of windows, batch by batch, so that no video is ever held whole."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.contracts import BrokenSample
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.clips import read_again
from jepakit.data.videos import VideoDataset
from jepakit.data.windows import Window, windows
from jepakit.probes.features import Encode, Features


@dataclass(frozen=True)
class Timeline:
    """Features of windows, one row each, and the seconds between which each lies; videos follow one another.

    `left_out` says of each unreadable video why; `padded` names those that are shorter than a window.
    """

    features: Features
    starts: Float[Tensor, "n"]
    ends: Float[Tensor, "n"]
    left_out: tuple[str, ...]
    padded: tuple[str, ...]


@dataclass(frozen=True)
class WindowReader:
    """Takes videos apart and encodes them: `batch` windows at once, each `stride` seconds after the last."""

    encode: Encode
    transform: ClipTransform
    batch: int = 8
    stride: float | None = None

    def read(self, dataset: VideoDataset) -> Timeline:
        """All windows of all videos. A video that breaks off is left out. Raises ValueError if none can be read."""
        parts, index, left_out, padded = [], [], [], []
        for number in range(len(dataset)):
            try:
                x, spans, is_padded = self._read_video(dataset, number)
            except BrokenSample as broken:
                left_out.append(str(broken))
                continue
            parts.append((x, spans))
            index.extend([number] * len(x))
            padded.extend([dataset.name(number)] * is_padded)
        if not parts:
            raise ValueError(
                f"none of the {len(dataset)} videos can be read: {left_out[0] if left_out else 'no video'}"
            )
        rows, spans = (torch.cat(part).clone() for part in zip(*parts, strict=True))
        labels = None if dataset.labels is None else dataset.labels[torch.tensor(index)]
        features = Features(rows, labels, tuple(map(dataset.name, index)), ())
        return Timeline(features, spans[:, 0], spans[:, 1], tuple(left_out), tuple(padded))

    def _read_video(self, dataset: VideoDataset, number: int) -> tuple[Tensor, Tensor, bool]:
        """Features [w d] and seconds [w 2] of the windows of one video, and whether it was too short for one."""
        with closing(dataset.open(number)) as clip:
            parts = read_again(clip, lambda: list(self._encode(windows(clip, self.transform, self.stride))))
        x, spans, padded = zip(*parts, strict=True)
        return torch.cat(x), torch.cat(spans), any(padded)

    def _encode(self, found: Iterator[Window]) -> Iterator[tuple[Tensor, Tensor, bool]]:
        while part := list(itertools.islice(found, self.batch)):
            x = torch.stack([window.x for window in part])
            spans = torch.tensor([(window.start, window.end) for window in part], dtype=torch.float64)
            yield self.encode(x), spans, part[0].is_padded
