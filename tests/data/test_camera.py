"""A camera that moves over a field: known motion, and nothing in a single frame that tells it."""

import numpy as np
import pytest
import torch

from jepakit.config import Config
from jepakit.data import camera
from jepakit.data.camera import MOVES, Camera

SMALL = Camera(sprites="digits", train=40, validation=20, test=20)


def shifted(first, second, by):
    """How far the second frame is from the first one moved by so many rows and columns, where both are seen."""
    rows, columns = by
    height, width = first.shape[:2]
    a = first[max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)]
    b = second[max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)]
    return (a.float() - b.float()).abs().mean().item()


@pytest.mark.parametrize("move", range(4))
def test_the_camera_moves_as_the_label_says(move):
    """A camera that goes right sees later what stood on the right before."""
    data = Camera(sprites="digits", train=40, travel=(7 / 8, 7 / 8)).build()  # 32 * 7/8 pixels in 7 steps: 4 a step
    heading = ((0, 4), (4, 0), (0, -4), (-4, 0))[move]
    clip = data.clip(move)
    assert data.labels[move] == move
    back = (-heading[0], -heading[1])
    assert shifted(clip[0], clip[1], heading) < 0.5 < shifted(clip[0], clip[1], back)


def test_turns_keep_the_middle_and_go_opposite_ways(monkeypatch):
    seen = []
    sample = camera._sample
    monkeypatch.setattr(camera, "_sample", lambda field, places: seen.append(places) or sample(field, places))
    data = SMALL.build()
    left, right = MOVES.index("turn left"), MOVES.index("turn right")
    for index in (left, right):
        data.clip(index)
    for places, sign in zip(seen, (1, -1), strict=True):
        middle = places[:, 15:17, 15:17].mean(axis=(1, 2))
        assert np.allclose(middle, middle[0])
        rows, columns = (places[:, 0, -1] - places[:, 0, 0]).T  # along the first row of each frame
        angles = np.unwrap(np.arctan2(-rows, columns))
        assert (np.sign(np.diff(angles)) == sign).all()


def test_a_frame_alone_tells_nothing():
    """The places that the middle of a frame shows are spread over the whole field, whatever the motion."""
    generator = np.random.default_rng(0)
    for move in (0, 4, 8):
        middles = np.stack([camera._look(move, (0.5, 1.0), 8, 32, generator)[7, 16, 16] % 64 for _ in range(400)])
        counts, _, _ = np.histogram2d(*middles.T, bins=2, range=((0, 64), (0, 64)))
        assert counts.min() > 70  # of 100 expected


def test_noise_is_fresh_in_every_frame_and_belongs_to_the_clip():
    noisy = Camera(sprites="digits", train=40, noise=30.0).build()
    x = noisy.get(3, 0, 0)["x"]
    assert torch.equal(x, noisy.get(3, 5, 7)["x"])
    light = noisy._light(3, 8, 32, np.random.default_rng(0))
    cells = light[:, ::4, ::4].reshape(8, -1)
    assert np.array_equal(light[:, 1::4, 3::4].reshape(8, -1), cells)
    assert np.abs(np.corrcoef(cells) - np.eye(8)).max() < 0.4
    assert 0.9 < cells.std() < 1.1


def test_the_label_of_noise_is_the_light_of_the_middle_and_independent_of_the_move():
    noisy = Camera(sprites="digits", train=40, noise=30.0, label="noise").build()
    for index in range(40):
        light = noisy._light(index, 8, 32, np.random.default_rng(index))
        assert (light[4:6, 16, 16] > 0).all() == bool(noisy.labels[index])
    moves = Camera(sprites="digits", train=40).build().labels
    assert torch.stack([moves, noisy.labels], dim=1).unique(dim=0).shape == (20, 2)
    with pytest.raises(ValueError, match="there is none"):
        Camera(label="noise")


def test_parts_share_no_thing_and_labels_are_equally_frequent():
    parts = [SMALL.split(part) for part in ("train", "validation", "test")]
    pictures = [{thing.tobytes() for thing in part._things} for part in parts]
    assert not pictures[0] & pictures[2]
    assert parts[0].labels.bincount().unique().tolist() == [4]
    assert [len(part) for part in parts] == [40, 20, 20]
    assert parts[2].name(3) == "test clip 3"


def test_it_survives_json_and_refuses_what_cannot_be():
    assert Config.from_json(SMALL.to_json()) == SMALL
    for wrong, words in (({"seed": -1}, "seed is 0"), ({"things": 0}, "at least one thing"), ({"side": 3.0}, "side is"),
                         ({"travel": (0.0, 1.0)}, "travel is"), ({"noise": -1.0}, "noise is")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            Camera(**wrong)
