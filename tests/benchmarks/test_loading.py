"""The two sides of the loading benchmark give equal pixels: else their times could not be compared."""

import torch

from benchmarks.loading import HEIGHT, STD, WIDTH, load, load_by_pillow, make_work
from jepakit.data.decode import decode


def test_both_sides_give_equal_pixels():
    levels = []
    for data, box in make_work(16):
        ours, usual = load(data, box), load_by_pillow(data, box)
        assert ours.shape == usual.shape == (3, 224, 224)
        levels.append((ours - usual).abs() * STD * 255)
    difference = torch.stack(levels)
    assert difference.max() <= 1.01  # one level of 255
    assert difference.mean() < 0.1
    assert (difference > 0.5).float().mean() < 0.1


def test_the_pictures_are_photos_of_the_stated_size():
    work = make_work(6)
    for data, box in work:
        pixels = decode(data, "photo")
        assert pixels.shape == (3, HEIGHT, WIDTH)
        assert pixels.float().std() > 20
        assert box.top + box.height <= HEIGHT
        assert box.left + box.width <= WIDTH
    assert len({data for data, _ in work}) == len(work)
    assert {box.flip for _, box in work} == {True, False}
