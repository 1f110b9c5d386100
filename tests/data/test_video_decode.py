"""Every frame is the right one, upright, whatever the file is; what cannot be read is told in a sentence."""

import shutil
import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from films import FRAMES, HEIGHT, WIDTH, green_corner, number_of, write_film

from jepakit.contracts import BrokenSample
from jepakit.data.clips import Recounted, read_clip
from jepakit.data.video_decode import VideoFile

KINDS = {
    "h264.mp4": {}, "h264.mkv": {}, "h264.ts": {}, "h264.avi": {}, "h264.h264": {"container": "h264"},
    "mpeg4.avi": {"codec": "mpeg4"}, "mpeg2.mpg": {"codec": "mpeg2video"}, "h265.mp4": {"codec": "libx265"},
    "vp9.webm": {"codec": "libvpx-vp9"}, "mjpeg.mov": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "ten_bit.mp4": {"pixels": "yuv420p10le"}, "gray.mkv": {"codec": "ffv1", "pixels": "gray"},
    "gray_16.mkv": {"codec": "ffv1", "pixels": "gray16le"}, "palette.gif": {"codec": "gif", "pixels": "rgb8"},
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_format_gives_its_frames_by_number(name, tmp_path):
    """All at once, and a few with gaps, in which the decoder starts anew at a later key frame or leaves some out."""
    path = write_film(tmp_path / name, **KINDS[name])
    file = VideoFile(path, name)
    whole = list(file.frames(range(FRAMES)))
    assert file.clock.count == FRAMES
    loose = name.endswith("mpg")  # a program stream notes few times, and not those of its first frames
    assert file.clock.rate == pytest.approx(25, rel=0.03 if loose else 1e-3)
    assert {(frame.shape, frame.dtype) for frame in whole} == {((3, HEIGHT, WIDTH), torch.uint8)}
    if "gray" not in name and "gif" not in name:
        assert {green_corner(frame) for frame in whole} == {"top left"}
    if "gif" not in name:  # 256 colors are too few to tell the frames apart
        assert [number_of(frame) for frame in whole] == list(range(FRAMES))
    for wanted in ([FRAMES - 1], [3, 4, 30], [0, 13, 14, 39], [1, 5, 9, 13, 17, 21, 25, 29, 33, 37]):
        found = list(file.frames(wanted))
        assert len(found) == len(wanted)
        assert all(torch.equal(frame, whole[number]) for frame, number in zip(found, wanted, strict=True))
    file.close()


def test_a_late_frame_is_sought_and_not_decoded_up_to(film, monkeypatch):
    file = VideoFile(film, "film")
    entered = []
    decoded = file._decoded
    monkeypatch.setattr(file, "_decoded", lambda wanted: (entered.append(f) or f for f in decoded(wanted)))
    assert [number_of(frame) for frame in file.frames([38])] == [38]
    assert len(entered) <= 6, "only frames of the last group of pictures"


def test_content_in_memory_is_read_like_a_file(film):
    file, content = VideoFile(film, "film"), VideoFile(film.read_bytes(), "film")
    assert torch.equal(file.clock.starts, content.clock.starts)
    wanted = [0, 20, 39]
    for one, other in zip(file.frames(wanted), content.frames(wanted), strict=True):
        assert torch.equal(one, other)


def test_the_clock_is_that_of_the_frames_and_not_of_the_metadata(tmp_path):
    """The file is announced with 25 frames a second, and shows them at odd times."""
    times = [0, 10, 20, 500, 510, 1000, 1001, 1500, 2000, 2100]
    for name in ("odd.mkv", "odd.mp4"):
        file = VideoFile(write_film(tmp_path / name, count=10, times=times), name)
        assert file.clock.starts == pytest.approx(torch.tensor(times) / 1000)
        assert [number_of(frame) for frame in file.frames([2, 3, 9])] == [2, 3, 9]


def test_a_wrong_clock_can_be_overruled(film):
    assert VideoFile(film, "film").clock.rate == pytest.approx(25)
    assert VideoFile(film, "film", rate=10.0).clock.rate == pytest.approx(10)


@pytest.mark.parametrize(
    ("turn", "corner"), [(None, "top left"), (-90, "top right"), (90, "bottom left"), (180, "bottom right")]
)
def test_phone_videos_are_turned_upright(turn, corner, tmp_path):
    """A phone that is held upright notes a turn of 90 degrees to the right, which FFmpeg counts as -90."""
    frame = next(VideoFile(write_film(tmp_path / "phone.mp4", count=3, rotation=turn), "phone").frames([1]))
    assert frame.shape == ((3, HEIGHT, WIDTH) if turn in (None, 180) else (3, WIDTH, HEIGHT))
    assert green_corner(frame) == corner


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((1, 0, 0, 1), "top left"), ((0, 1, -1, 0), "top right"), ((-1, 0, 0, -1), "bottom right"),
        ((0, -1, 1, 0), "bottom left"), ((-1, 0, 0, 1), "top right"), ((1, 0, 0, -1), "bottom left"),
        ((0, 1, 1, 0), "top left"), ((0, -1, -1, 0), "bottom right"),
    ],
)  # fmt: skip
def test_display_matrices_are_read_as_the_standard_has_them(matrix, corner, tmp_path):
    """Quarter turns and mirrors, written into the track header by hand: x' = a x + c y, y' = b x + d y."""
    path = write_film(tmp_path / "phone.mp4", count=2)
    content = bytearray(path.read_bytes())
    a, b, c, d = (value * 65536 for value in matrix)
    start = content.index(b"tkhd") + 4 + 40  # version 0: the matrix is 40 bytes into the box
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    frame = next(VideoFile(bytes(content), "phone").frames([1]))
    assert frame.shape == ((3, WIDTH, HEIGHT) if b else (3, HEIGHT, WIDTH))
    assert green_corner(frame) == corner


def test_a_video_of_one_pixel_is_a_video(tmp_path):
    path = write_film(tmp_path / "dot.mkv", count=3, codec="ffv1", pixels="bgr0", size=(1, 1))
    found = list(VideoFile(path, "dot").frames(range(3)))
    assert [frame.shape for frame in found] == [(3, 1, 1)] * 3
    assert [number_of(frame) for frame in found] == [0, 1, 2]


def test_a_video_that_is_cut_off_has_the_frames_that_are_left(tmp_path):
    """The end of a Matroska file is missing: what the header promised does not count."""
    path = write_film(tmp_path / "long.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    file = VideoFile(path, "long")
    assert 10 < file.clock.count < FRAMES
    wanted = [0, file.clock.count - 2]
    assert [number_of(frame) for frame in file.frames(wanted)] == wanted


def test_frames_that_cannot_be_decoded_are_no_frames(tmp_path):
    """One damaged picture in a file of single pictures is found out when it is needed, and the rest is renumbered."""
    path = write_film(tmp_path / "torn.mov", codec="png", pixels="rgb24")
    damage(path, b"\x89PNG", number=10)
    file = VideoFile(path, "torn")
    assert file.clock.count == FRAMES
    with pytest.raises(Recounted):
        list(file.frames([5, 10]))
    assert file.clock.count == FRAMES - 1
    assert [number_of(frame) for frame in file.frames([9, 10, 38])] == [9, 11, 39]
    again = VideoFile(path, "torn")
    found = read_clip(again, lambda clock: torch.arange(5, 15), lambda frame: frame[:, -16:, -16:])
    assert [number_of(frame) for frame in found] == [5, 6, 7, 8, 9, 11, 12, 13, 14, 15]


def damage(path: Path, mark: bytes, number: int, every: bool = False) -> None:
    """Overwrites the inside of the picture with that number, or of all pictures from it on."""
    content = bytearray(path.read_bytes())
    starts = [place for place in range(len(content) - len(mark)) if content[place : place + len(mark)] == mark]
    for place in starts[number:] if every else starts[number : number + 1]:
        content[place + 8 : place + 40] = bytes(32)
    path.write_bytes(bytes(content))


def write_sound(path: Path) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(np.zeros(8000, np.int16).tobytes())


def write_audio_track(path: Path) -> None:
    with av.open(str(path), "w") as film:
        stream = film.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        film.mux(stream.encode(frame))
        film.mux(stream.encode())


def write_no_frames(path: Path) -> None:
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        film.start_encoding()


def write_torn(path: Path) -> None:
    write_film(path, codec="png", pixels="rgb24")
    damage(path, b"\x89PNG", number=3, every=True)


def write_playlist(path: Path) -> None:
    """A text file that would make FFmpeg open another file."""
    write_film(path.with_name("secret.ts"), count=5)
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n")


BROKEN = {
    "missing.mp4": (lambda path: None, "there is no such file"),
    "folder.mp4": (lambda path: path.mkdir(), "is a directory"),
    "empty.mp4": (lambda path: path.write_bytes(b""), "the file is empty"),
    "words.mp4": (lambda path: path.write_text("not a video " * 99), "cannot be opened as a video: Invalid data"),
    "sound.wav": (write_sound, "only sound"),
    "sound.mp4": (write_audio_track, "only sound"),
    "none.avi": (write_no_frames, "none of its frames can be decoded"),
    "torn.mov": (write_torn, "only 3 of its 40 frames can be decoded"),
    "list.mp4": (write_playlist, "cannot be opened as a video"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_video_is_told_in_a_sentence(name, tmp_path):
    write, sentence = BROKEN[name]
    path = tmp_path / name
    write(path)
    with pytest.raises(BrokenSample, match=f"^{name}: .*{sentence}") as caught:
        list(VideoFile(path, name).frames([0, 39]))
    assert "\n" not in str(caught.value)


def test_names_may_hold_anything_that_the_disk_takes(film, tmp_path):
    for name in ("with space.mp4", "kleine übung 影片.mp4", "http:/x.mp4", "a:b, c::d.mp4", "100%.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        shutil.copy(film, path)
        assert VideoFile(path, name).clock.count == FRAMES
