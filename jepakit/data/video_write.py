"""Frames -> video files, by PyAV (FFmpeg)."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8


def write_video(path: Path, frames: UInt8[np.ndarray, "t h w 3"], rate: int) -> None:
    """Writes MP4 (H.264) of even sides at `rate` frames a second, at a quality that the eye takes for lossless.

    Raises ImportError with what to install.
    """
    try:
        import av
    except ImportError:
        raise ImportError("writing video files needs PyAV: pip install 'jepakit[video]'") from None
    with av.open(str(path), "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=rate, options={"crf": "12", "preset": "veryfast"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.gop_size, stream.thread_count = "yuv420p", 2 * rate, 1
        for pixels in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        film.mux(stream.encode())
