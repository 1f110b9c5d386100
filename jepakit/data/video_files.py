"""A path, or the content of a file, opened as a video by the decoder that was asked for."""

from pathlib import Path
from typing import Literal, NamedTuple

from jepakit.data.clips import Clip, FilesClip, frame_files, is_picture

Decoder = Literal["pyav", "torchcodec"]
# fmt: off
VIDEO_SUFFIXES = frozenset((".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
                            ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv"))
# fmt: on


class Opener(NamedTuple):
    """How videos are opened: by which decoder, and how many frames a second they show whatever they say themselves."""

    decoder: Decoder = "pyav"
    rate: float | None = None

    def require(self) -> None:
        """Raises ImportError, with what to install, if the decoder cannot be loaded here."""
        if self.decoder == "torchcodec":
            import jepakit.data.video_torchcodec
        else:
            import jepakit.data.video_decode  # noqa: F401

    def content(self, content: Path | bytes, name: str) -> Clip:
        """A video file, or the bytes of one. Raises BrokenSample."""
        if self.decoder == "torchcodec":
            from jepakit.data.video_torchcodec import TorchCodecFile

            return TorchCodecFile(content, name, self.rate)
        from jepakit.data.video_decode import VideoFile

        return VideoFile(content, name, self.rate)

    def path(self, path: Path, name: str | None = None) -> Clip:
        """A video file, a folder of frames, or a picture, which is a video of one frame. Raises BrokenSample."""
        name = str(path) if name is None else name
        if is_still(path.name):
            return FilesClip([path], name, self.rate)
        if path.is_dir():
            return FilesClip(frame_files(path, name), name, self.rate)
        return self.content(path, name)


def is_video(name: str) -> bool:
    """Whether a file is known as a video by its suffix."""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def is_still(name: str) -> bool:
    """Whether a file is a picture and no video (a GIF is taken as a video)."""
    return is_picture(name) and not is_video(name)
