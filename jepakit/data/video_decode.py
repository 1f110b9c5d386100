"""Video files -> frames, by PyAV (FFmpeg).

Metadata are not believed: frames are counted and timed by the packets of the file, which are read without decoding, and
where even packets lie or are damaged, by decoding all of it.
"""

import itertools
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from jepakit.contracts import BrokenSample
from jepakit.data.clips import Recounted
from jepakit.data.frames import Clock, regular_clock
from jepakit.data.video_open import FFmpegError, Packet, VideoFrame, VideoReformatter, open_stream

# Decoding a few frames in passing is cheaper than starting anew at the next key frame.
_WORTH_A_SEEK = 8


class _Announced(NamedTuple):
    """A frame as the file announces it: when it is shown, in ticks, and whether decoding can start at it."""

    tick: int | None
    is_key: bool


class VideoFile:
    """A video file, or its content, opened for reading: a `clips.Clip`.

    Frames come upright (the rotation of phones is applied) as 8-bit RGB, whatever the depth and colors of the file.
    Pixels are taken as they are stored: not stretched where they are not square, not deinterlaced, and high dynamic
    range is not mapped to tones. `rate` (frames a second) overrules the times in the file. Raises BrokenSample.
    """

    def __init__(self, content: Path | bytes, name: str, rate: float | None = None) -> None:
        self.name, self._content, self._rate = name, content, rate
        self._reformatter = VideoReformatter()  # one for all frames: setting it up takes longer than a frame
        self._open()
        try:
            announced = self._announced()
            self._count = len(announced)
            self._keys = sorted(frame.tick for frame in announced if frame.is_key and frame.tick is not None)
            self._ticks = [] if self._order_unknown() else _in_order([frame.tick for frame in announced])
            self.clock = self._clock_of(self._ticks, self._count) if announced else self._recount()
        except BaseException:
            self.close()
            raise

    def frames(self, index: Sequence[int]) -> Iterator[UInt8[Tensor, "c h w"]]:
        """The frames with these numbers, which increase. Raises BrokenSample; Recounted if packets were no frames."""
        if not self._ticks:
            yield from self._by_number(index)
            return
        for group in self._groups([self._ticks[number] for number in index]):
            yield from self._by_tick(group)

    @property
    def is_plain(self) -> bool:
        """Whether this is MP4 or Matroska of 8 bits a channel: other decoders are known to err beyond.

        torchcodec 0.12 gave other frames of MPEG-TS and of AVI with B-frames, and other colors of 10-bit H.264.
        """
        pixels, kind = self._stream.codec_context.format, self._container.format.name
        indexed = bool(self._ticks) and kind.startswith(("mov", "matroska"))
        return indexed and pixels is not None and max(part.bits for part in pixels.components) <= 8

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _open(self) -> None:
        self._container, self._stream = open_stream(self._content, self.name)

    def _packets(self) -> Iterator[Packet]:
        """The packets from here on; where the file is cut off or torn, they end."""
        try:
            yield from self._container.demux(self._stream)
        except FFmpegError:
            return

    def _announced(self) -> list[_Announced]:
        """What the packets of the stream say, without decoding them."""
        return [
            _Announced(packet.pts, packet.is_keyframe)
            for packet in self._packets()
            if packet.size and not packet.is_discard
        ]

    def _order_unknown(self) -> bool:
        """AVI notes no times: FFmpeg makes them up in the order of decoding, which is another one with B-frames."""
        return "avi" in self._container.format.name and self._stream.codec_context.has_b_frames

    def _clock_of(self, ticks: list[int], count: int) -> Clock:
        """The clock of frames that are shown at `ticks`, or of so many that nobody knows the times of."""
        rate, base = self._rate or self._stream.guessed_rate, self._stream.time_base
        if self._rate is None and ticks and base is not None:
            return Clock(count, (torch.tensor(ticks) - ticks[0]).double() * float(base))
        return regular_clock(count, float(rate)) if rate else Clock(count)

    def _recount(self) -> Clock:
        """Decodes everything and believes only that. Raises BrokenSample if half of the packets give no frame."""
        found = [frame.pts for frame in self._decoded_from_start()]
        if not found or len(found) * 2 < self._count:
            many = f"only {len(found)} of its {self._count} frames" if found else "none of its frames"
            raise BrokenSample(f"{self.name}: {many} can be decoded")
        self._ticks, ticks = [], _in_order(found)
        return self._clock_of(ticks if ticks == found else [], len(found))

    def _groups(self, ticks: list[int]) -> Iterator[list[int]]:
        """Frames that are decoded in one go: no key frame lies between them that is worth starting from."""
        group = ticks[:1]
        for before, tick in itertools.pairwise(ticks):
            key = self._key_before(tick)
            if key is not None and bisect_right(self._ticks, key) - bisect_right(self._ticks, before) > _WORTH_A_SEEK:
                yield group
                group = []
            group.append(tick)
        yield group

    def _key_before(self, tick: int) -> int | None:
        place = bisect_right(self._keys, tick)
        return self._keys[place - 1] if place else None

    def _by_tick(self, ticks: list[int]) -> Iterator[UInt8[Tensor, "c h w"]]:
        missing, wanted = deque(ticks), frozenset(ticks)
        for start in (self._decoded_from_key, self._decoded_from_start):
            for frame in start(wanted, missing[0]):
                if frame.pts is None or frame.pts > missing[0]:
                    break
                if frame.pts == missing[0]:
                    yield _upright(frame, self._reformatter)
                    missing.popleft()
                if not missing:
                    return
        self.clock = self._recount()
        raise Recounted

    def _by_number(self, index: Sequence[int]) -> Iterator[UInt8[Tensor, "c h w"]]:
        wanted = frozenset(index)
        for number, frame in enumerate(self._decoded_from_start()):
            if number in wanted:
                yield _upright(frame, self._reformatter)
            if number == index[-1]:
                return
        self.clock = self._recount()
        raise Recounted

    def _decoded_from_key(self, wanted: frozenset[int], tick: int) -> Iterator[VideoFrame]:
        """Frames from the last key frame on that is not after `tick`, if the file can be entered there."""
        key = self._key_before(tick)
        if key is None:
            return iter(())
        try:
            self._container.seek(key, stream=self._stream)
        except FFmpegError:
            return iter(())
        return self._decoded(wanted)

    def _decoded_from_start(self, wanted: frozenset[int] | None = None, tick: int = 0) -> Iterator[VideoFrame]:
        """All frames. The file is opened anew, for not every format can seek back to its very first packet."""
        self.close()
        self._open()
        return self._decoded(wanted)

    def _decoded(self, wanted: frozenset[int] | None) -> Iterator[VideoFrame]:
        """Frames as they come; those that are neither wanted nor needed for others are left out by the decoder."""
        coder = self._stream.codec_context
        for packet in self._packets():
            needed = wanted is None or packet.pts is None or packet.pts in wanted
            coder.skip_frame = "DEFAULT" if needed else "NONREF"
            try:
                yield from packet.decode()  # pyright: ignore[reportReturnType]
            except FFmpegError:
                continue


def _in_order(ticks: Sequence[int | None]) -> list[int]:
    """The ticks sorted; none at all if one is missing or comes twice, for then they tell nothing."""
    known = [tick for tick in ticks if tick is not None]
    return sorted(known) if len(set(known)) == len(ticks) else []


def _upright(frame: VideoFrame, reformatter: VideoReformatter) -> UInt8[Tensor, "c h w"]:
    """The frame in RGB as it is meant to be seen.

    The display matrix (ISO/IEC 14496-12, section 6.2.2) maps columns x and rows y to a x + c y and b x + d y.
    """
    pixels = torch.from_numpy(reformatter.reformat(frame, format="rgb24").to_ndarray()).permute(2, 0, 1)
    if "DISPLAYMATRIX" not in frame.side_data:
        return pixels
    a, b, _, c, d = np.frombuffer(bytes(frame.side_data["DISPLAYMATRIX"]), dtype=np.int32)[:5].tolist()
    swapped = abs(b) + abs(c) > abs(a) + abs(d)
    if swapped:
        pixels = pixels.transpose(1, 2)
    down, right = (b, c) if swapped else (d, a)
    backwards = [axis for axis, sign in ((1, down), (2, right)) if sign < 0]
    return pixels.flip(backwards) if backwards else pixels
