"""Things that move before a ground that flickers: known headings, and a share that nothing predicts."""

import numpy as np
import pytest
import torch

from jepakit.config import Config
from jepakit.data import flicker
from jepakit.data.flicker import HEADINGS, Flicker

SMALL = Flicker(sprites="digits", train=64, validation=16, test=16)


def changing(clip):
    """Which pixels differ from frame to frame, without exception."""
    return (clip.int().diff(dim=0) != 0).any(dim=-1).all(dim=0)


@pytest.mark.parametrize(("share", "tiles"), [(0.25, 4), (0.5, 8), (1.0, 16)])
def test_so_many_tiles_flicker_and_the_rest_stands_still(monkeypatch, share, tiles):
    monkeypatch.setattr(flicker, "lay", lambda *_: None)  # no thing hides the ground
    data = Flicker(sprites="digits", train=16, share=share).build()
    for index in range(4):
        clip = data.clip(index)
        seen = changing(clip).float().unflatten(0, (4, 8)).unflatten(2, (4, 8)).mean(dim=(1, 3))
        assert (seen > 0.9).sum() == tiles
        assert (seen == 0).sum() == 16 - tiles
        assert seen[2, 2] > 0.9
        light = clip[:, 16:24:4, 16:24:4].float().flatten(1)
        assert np.abs(np.corrcoef(light) - np.eye(8)).max() < 0.95


def test_the_label_of_noise_is_the_light_of_the_probed_tile_and_independent_of_the_heading():
    headings = SMALL.build().labels
    noise = Flicker(sprites="digits", train=64, label="noise").build()
    assert torch.stack([headings, noise.labels], dim=1).unique(dim=0).shape == (16, 2)
    assert torch.equal(noise.get(5, 0, 0)["x"], SMALL.build().get(5, 3, 7)["x"])
    lighter = [noise.clip(index)[4:6, 16:24, 16:24].float().mean() > flicker.MIDDLE for index in range(64)]
    assert lighter == [bool(label) for label in noise.labels]


def test_things_go_where_the_label_says(monkeypatch):
    seen = []
    monkeypatch.setattr(flicker, "lay", lambda canvas, patch, places, number: seen.append(places))
    data = SMALL.build()
    for index in range(8):
        seen.clear()
        data.clip(index)
        assert len(seen) == 3
        row, column = seen[0][-1] - seen[0][0]
        assert 16 <= np.hypot(row, column) <= 32
        words = [word for word, far in (("down", row > 1), ("up", row < -1)) if far]
        sides = [word for word, far in (("right", column > 1), ("left", column < -1)) if far]
        assert HEADINGS[index] == " and ".join([*sides, *words])
        assert all(np.allclose(places - places[0], seen[0] - seen[0][0]) for places in seen)


def test_without_a_share_all_is_still_but_the_things(monkeypatch):
    still = Flicker(sprites="digits", train=8, share=0.0).build()
    assert len(still.clip(0).unique(dim=0)) == 8
    monkeypatch.setattr(flicker, "lay", lambda *_: None)
    assert len(still.clip(0).unique(dim=0)) == 1
    with pytest.raises(ValueError, match="nothing does"):
        Flicker(share=0.0, label="noise")


def test_parts_share_no_thing_and_it_survives_json():
    parts = [SMALL.split(part) for part in ("train", "validation", "test")]
    pictures = [{thing.tobytes() for thing in part._things} for part in parts]
    assert not pictures[0] & pictures[2]
    assert [len(part) for part in parts] == [64, 16, 16]
    assert parts[2].name(3) == "test clip 3"
    assert Config.from_json(SMALL.to_json()) == SMALL
    for wrong, words in (
        ({"seed": -1}, "seed is 0"), ({"things": 0}, "at least one thing"), ({"side": 3.0}, "side is"),
        ({"travel": (0.0, 1.0)}, "travel is"), ({"tile": 5}, "tile is"), ({"share": 2.0}, "share is"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            Flicker(**wrong)
