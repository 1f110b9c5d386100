"""Video files -> frames, by torchcodec, where it loads: the one file that needs it.

It needs the shared libraries of FFmpeg on the machine, which PyAV brings along; so PyAV is the default, and opens the
file here, too: it refuses what is no video, counts the frames and tells their times.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxtyping import UInt8
from torch import Tensor

from jepakit.contracts import BrokenSample
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
    """A video file, or its content, opened for reading: a `clips.Clip`, with the clock that `VideoFile` finds."""

    def __init__(self, content: Path | bytes, name: str, rate: float | None = None) -> None:
        self.name = name
        self._file = VideoFile(content, name, rate)
        try:
            source = str(content) if isinstance(content, Path) else content
            self._decoder = VideoDecoder(source, dimension_order="NCHW", num_ffmpeg_threads=1, seek_mode="exact")
        except Exception as error:
            self._file.close()
            raise BrokenSample(f"{name}: torchcodec cannot open it: {_first_line(error)}") from None

    @property
    def clock(self) -> Clock:
        """When each frame is shown."""
        return self._file.clock

    def frames(self, index: Sequence[int]) -> Iterator[UInt8[Tensor, "c h w"]]:
        """The frames with these numbers, which increase. Raises BrokenSample.

        Where torchcodec counts other frames than the packets of the file tell, PyAV reads it.
        """
        if len(self._decoder) != self.clock.count:
            yield from self._file.frames(index)
            return
        for number in index:
            try:
                frame = self._decoder.get_frame_at(number)
            except Exception as error:
                raise BrokenSample(f"{self.name}: frame {number} cannot be decoded: {_first_line(error)}") from None
            yield frame.data

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
