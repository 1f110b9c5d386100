"""The transform gives the same numbers for every kind of raw clip, and refuses what does not fill its tubelets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from films import picture, write_film
from PIL import Image

from jepakit.config import Config
from jepakit.contracts import BrokenSample, Transform
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.transforms import ImageTransform

CLIP = ClipTransform(
    sampling=Sampling(frames=4, step=2, policy="uniform"), picture=ImageTransform(size=24, resize="shorter_side")
)
FRAMES = np.stack([picture(number) for number in range(4)])


def test_every_kind_of_raw_clip_gives_the_same_numbers():
    expected = torch.stack([CLIP.picture(frame) for frame in FRAMES], dim=1)
    tensor = torch.from_numpy(FRAMES).permute(0, 3, 1, 2)
    for raw in (FRAMES, tensor, list(FRAMES), list(tensor), [Image.fromarray(frame) for frame in FRAMES]):
        found = CLIP(raw)
        assert torch.equal(found, expected)
        assert found.is_contiguous()
    assert isinstance(CLIP, Transform)
    assert Config.from_json(CLIP.to_json()) == CLIP


def test_a_path_gives_the_middle_of_its_video(tmp_path):
    path = write_film(tmp_path / "film.mkv", count=13, codec="ffv1", pixels="bgr0")
    expected = CLIP(np.stack([picture(number) for number in (3, 5, 7, 9)]))
    assert torch.equal(CLIP(path), expected)
    assert torch.equal(CLIP(str(path)), expected)
    for number in range(13):
        (tmp_path / "frames").mkdir(exist_ok=True)
        Image.fromarray(picture(number)).save(tmp_path / "frames" / f"{number}.png")
    assert torch.equal(CLIP(tmp_path / "frames"), expected), "frame 10 comes after frame 9, and not after frame 1"


def test_pictures_are_repeated_or_single(tmp_path):
    Image.fromarray(picture(2)).save(tmp_path / "still.png")
    for raw in (tmp_path / "still.png", Image.fromarray(picture(2))):
        assert torch.equal(CLIP(raw), CLIP(np.stack([picture(2)] * 4)))
        assert torch.equal(replace(CLIP, still="single")(raw), CLIP(raw)[:, :1])


def test_gray_and_color_become_what_the_backbone_takes():
    gray = CLIP(FRAMES[..., 0])
    assert gray.shape == (3, 4, 24, 24)
    one = replace(CLIP, picture=ImageTransform(size=24, channels=1, mean=(0.5,), std=(0.5,)))
    assert one(FRAMES).shape == (1, 4, 24, 24)


def test_views_lie_along_the_longer_side():
    """Of a frame of 48 x 64, whose shorter side becomes 24, three views of 24 x 24 begin at columns 0, 4 and 8."""
    ramp = torch.arange(32, dtype=torch.uint8).mul(8).expand(3, 24, 32)
    views = CLIP.views(3)(ramp).chunk(3)
    assert [int(view[0, 0, 0]) // 8 for view in views] == [0, 4, 8]
    upright = CLIP.views(3)(ramp.transpose(1, 2)).chunk(3)
    assert [int(view[0, 0, 0]) // 8 for view in upright] == [0, 4, 8]
    assert torch.equal(CLIP.views(1)(ramp), CLIP.picture.fit(ramp))
    with pytest.raises(ValueError, match="several views are cut along the longer side"):
        replace(CLIP, picture=ImageTransform(size=24)).views(3)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (FRAMES[:3], "a clip of 3 frames cannot be cut into tubelets of 2"),
        (FRAMES[:0], "has at least one frame"),
        (FRAMES[0, 0], r"array is \[t h w\] or \[t h w c\]"),
        (torch.zeros(4, 24, 24, dtype=torch.uint8), r"tensor is \[t c h w\]"),
        ([FRAMES[0], FRAMES[1][:20]], "have one size, these have 2"),
        (FRAMES.astype(np.float32), "holds bytes"),
    ],
)
def test_what_is_no_clip_is_refused(raw, sentence):
    with pytest.raises(ValueError, match=sentence):
        CLIP(raw)


def test_a_clip_must_fill_its_tubelets():
    with pytest.raises(ValueError, match="a clip of 15 frames cannot be cut into tubelets of 2; give a multiple of 2"):
        ClipTransform(sampling=Sampling(frames=15))
    with pytest.raises(ValueError, match="tubelet is a number of frames"):
        ClipTransform(tubelet=0)
    assert ClipTransform(sampling=Sampling(frames=15), tubelet=3).sampling.frames == 15
    assert ClipTransform(sampling=Sampling(frames=1), still="single").sampling.frames == 1


def test_frames_that_change_their_size_are_told(tmp_path):
    for number, side in enumerate((20, 30)):
        Image.fromarray(picture(number, side, side)).save(tmp_path / f"{number}.png")
    with pytest.raises(BrokenSample, match="its frames change their size from 20x20 to 30x30"):
        CLIP(tmp_path)
