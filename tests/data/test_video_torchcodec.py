"""torchcodec gives the frames that PyAV gives, where it loads; where it does not, a sentence says what it needs."""

import pytest
import torch
from films import FRAMES, write_film

from jepakit.data.video_decode import VideoFile
from jepakit.data.videos import Videos


def loads() -> bool:
    try:
        import torchcodec.decoders  # noqa: F401
    except Exception:  # its loader raises RuntimeError, OSError or ImportError
        return False
    return True


KINDS = {
    "h264.mp4": {}, "h264.avi": {}, "h264.ts": {}, "vp9.webm": {"codec": "libvpx-vp9"},
    "ten_bit.mp4": {"pixels": "yuv420p10le"}, "phone.mp4": {"rotation": -90},
}  # fmt: skip


@pytest.mark.skipif(not loads(), reason="torchcodec, or the FFmpeg that it needs, is not installed")
@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_of_pyav(name, tmp_path):
    from jepakit.data.video_torchcodec import TorchCodecFile

    path = write_film(tmp_path / name, **KINDS[name])
    for content in (path, path.read_bytes()):
        one, other = TorchCodecFile(content, name), VideoFile(content, name)
        assert torch.equal(one.clock.starts, other.clock.starts)
        for wanted in ([0, 13, 14, 39], range(FRAMES)):
            for frame, expected in zip(one.frames(wanted), other.frames(wanted), strict=True):
                assert torch.equal(frame, expected)


@pytest.mark.skipif(loads(), reason="torchcodec loads here")
def test_without_torchcodec_there_is_a_sentence(film):
    with pytest.raises(ImportError, match=r"needs torchcodec and the shared libraries of FFmpeg.*at 'pyav'"):
        Videos(root=str(film), decoder="torchcodec").build()
