"""Video files -> frames, by torchcodec, where it loads: the one file that needs it.

It needs the shared libraries of FFmpeg on the machine, which PyAV brings along; so PyAV is the default, and opens the
file here, too: it refuses what is no video, counts the frames and tells their times.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from jepakit.data.frames import Clock
from jepakit.data.video_decode import VideoFile

try:
    from torchcodec.decoders import VideoDecoder  # pyright: ignore[reportMissingImports]
except Exception as error:  # its loader raises RuntimeError, OSError or ImportError, as the libraries have it
    raise ImportError(
        "decoder='torchcodec' needs torchcodec and the shared libraries of FFmpeg, and they do not load here: pip "
        "install torchcodec and install FFmpeg, or leave the decoder at 'pyav'"
    ) from error


class TorchCodecFile:
    """A video file, or its content, opened for reading: a `clips.Clip`, with the clock that `VideoFile` finds.

    Raises BrokenSample.
    """

    def __init__(self, content: Path | bytes, name: str, rate: float | None = None) -> None:
        self.name = name
        self._file = VideoFile(content, name, rate)
        self._decoder = _open(content) if self._file.is_plain else None

    @property
    def clock(self) -> Clock:
        """When each frame is shown."""
        return self._file.clock

    def frames(self, index: Sequence[int]) -> Iterator[UInt8[Tensor, "c h w"]]:
        """The frames with these numbers, which increase. Raises BrokenSample, or Recounted.

        PyAV reads what is not plain, what torchcodec counts otherwise, and what is left where it gives up.
        """
        left = deque(index)
        if self._decoder is not None and len(self._decoder) == self.clock.count:
            while left:
                try:
                    frame = self._decoder.get_frame_at(left[0])
                except Exception:  # it raises whatever FFmpeg and its own checks make of a file
                    break
                yield frame.data
                left.popleft()
        if left:
            yield from self._file.frames(left)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _open(content: Path | bytes) -> VideoDecoder | None:
    source = str(content) if isinstance(content, Path) else content
    try:
        return VideoDecoder(source, dimension_order="NCHW", num_ffmpeg_threads=1, seek_mode="exact")
    except Exception:  # as above; PyAV has opened the file already
        return None
