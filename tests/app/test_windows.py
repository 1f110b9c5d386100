"""Windows of videos are encoded batch by batch, and what is found out about a file on the way counts."""

import pytest
import torch
from films import write_film

from jepakit.app.windows import WindowReader
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform
from jepakit.data.videos import Videos
from jepakit.family import vjepa
from jepakit.probes.features import Pooled

TRANSFORM = ClipTransform(sampling=Sampling(frames=4, step=1), picture=ImageTransform(size=32))


@pytest.fixture
def reader():
    torch.manual_seed(0)
    return WindowReader(Pooled(vjepa.TINY.build().backbone), TRANSFORM, batch=2)


def test_a_file_with_fewer_frames_than_it_says_is_begun_again(reader, tmp_path):
    """The damaged picture, the 31st, is no frame: the window that would hold it ends with the one after the next."""
    path = write_film(tmp_path / "film.mov", codec="png", pixels="rgb24")
    content = path.read_bytes()
    at = [place for place in range(len(content)) if content.startswith(b"\x89PNG", place)][30] + 8
    path.write_bytes(content[:at] + bytes(32) + content[at + 32 :])
    timeline = reader.read(Videos(root=str(path), transform=TRANSFORM).everything())
    assert len(timeline.features) == 10
    assert timeline.features.x.shape == (10, reader.encode.backbone.dim)
    assert [timeline.starts[7], timeline.ends[7]] == pytest.approx([28 / 25, 33 / 25])


def test_no_more_windows_than_a_batch_are_encoded_at_once(reader, tmp_path):
    sizes = []
    reader.encode.backbone.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    path = write_film(tmp_path / "film.mp4", count=20)
    timeline = reader.read(Videos(root=str(path), transform=TRANSFORM).everything())
    assert sizes == [2, 2, 1]
    assert timeline.features.names == ("film.mp4",) * 5
    assert not timeline.features.x.requires_grad


def test_nothing_that_can_be_read_is_said_with_the_reason(reader, tmp_path):
    (tmp_path / "torn.mp4").write_bytes(b"no film at all")
    with pytest.raises(ValueError, match=r"none of the 1 videos can be read: torn\.mp4: it cannot be opened"):
        reader.read(Videos(root=str(tmp_path / "torn.mp4"), transform=TRANSFORM).everything())
