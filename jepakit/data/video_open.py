"""Video files opened by PyAV (FFmpeg), with the care that files of strangers ask for."""

import io
from pathlib import Path

from jepakit.contracts import BrokenSample
from jepakit.data.decode import PIXEL_LIMIT

try:
    import av
    from av import Packet as Packet
    from av import VideoFrame as VideoFrame
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.stream import Disposition
    from av.video.reformatter import VideoReformatter as VideoReformatter
    from av.video.stream import VideoStream
except ImportError:
    raise ImportError("reading video files needs PyAV: pip install 'jepakit[video]'") from None

# Playlists and the like are left out on purpose: FFmpeg would open the files and addresses that they name.
FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "flv", "asf", "ogg", "mxf", "ivf", "gif"),
    *("h264", "hevc", "av1", "obu", "yuv4mpegpipe", "nut", "wav", "mp3", "aac", "flac"),
)


def open_stream(content: Path | bytes, name: str) -> tuple[InputContainer, VideoStream]:
    """A file, or the content of one, and its first stream of pictures. Raises BrokenSample."""
    if isinstance(content, Path):
        _require_file(content, name)
    elif not content:
        raise BrokenSample(f"{name}: the file is empty")
    try:
        container = av.open(
            f"file:{content}" if isinstance(content, Path) else io.BytesIO(content),
            "r",
            container_options={"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except FFmpegError as error:
        raise BrokenSample(f"{name}: it cannot be opened as a video: {error.strerror}") from None
    except UnicodeError:
        raise BrokenSample(f"{name}: its path is not UTF-8, which FFmpeg needs; rename it") from None
    try:
        return container, _picture_stream(container, name)
    except BrokenSample:
        container.close()
        raise


def _picture_stream(container: InputContainer, name: str) -> VideoStream:
    """The first video that is not the picture on a record's sleeve, which music files carry."""
    covers = [stream for stream in container.streams.video if stream.disposition & Disposition.attached_pic]
    streams = [stream for stream in container.streams.video if stream not in covers]
    if not streams:
        sound = "only sound" if container.streams.audio else "no picture"
        raise BrokenSample(f"{name}: it holds {sound}, so there are no frames to read")
    coder = streams[0].codec_context
    if coder.width * coder.height > PIXEL_LIMIT:
        raise BrokenSample(f"{name}: it claims {coder.width} x {coder.height} pixels; the limit is {PIXEL_LIMIT:,}")
    coder.thread_count = 1  # a process a core reads more than threads that share a frame
    return streams[0]


def _require_file(path: Path, name: str) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise BrokenSample(f"{name}: there is no such file") from None
    except OSError as error:
        raise BrokenSample(f"{name}: it cannot be read: {error.strerror or error}") from None
    if path.is_dir():
        raise BrokenSample(f"{name}: it is a directory, not a video file")
    if size == 0:
        raise BrokenSample(f"{name}: the file is empty")
