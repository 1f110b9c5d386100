"""Videos with several futures: the past does not tell which, and all of them are known."""

from dataclasses import replace

import pytest
import torch

from jepakit.contracts import Dataset
from jepakit.data.branching import BRANCHING_CLIP, TURNS, Branching
from jepakit.data.motions import HEADINGS
from jepakit.data.transforms import RandomResizedCrop

TURN = Branching(sprites="digits", train=120, validation=30, test=30)
BECOME = replace(TURN, story="become", modes=4)


@pytest.mark.parametrize("config", [TURN, BECOME], ids=["turn", "become"])
def test_futures_share_a_past_and_nothing_else(config):
    dataset = config.split("train")
    for index in range(6):
        futures = dataset.futures(index)
        assert futures.shape == (config.modes, 3, 8, 32, 32)
        past, after = futures[:, :, : config.fork], futures[:, :, config.fork :]
        assert (past == past[:1]).all()
        for one in range(config.modes):
            for other in range(one):
                assert (after[one] - after[other]).abs().flatten(1).amax() > 0.1
        sample = dataset.get(index, epoch=3, seed=5)
        assert torch.equal(sample["x"], futures[sample["label"]])


@pytest.mark.parametrize("config", [TURN, BECOME], ids=["turn", "become"])
def test_modes_are_equally_frequent_and_named(config):
    dataset = config.build()
    assert isinstance(dataset, Dataset)
    assert torch.bincount(dataset.labels).tolist() == [120 // config.modes] * config.modes
    assert len(dataset.classes) == config.modes
    assert sorted(dataset.order(1, 0).tolist()) == list(range(120))


def test_the_thing_turns_where_it_is_said_to():
    dataset = TURN.split("train")
    for index in range(20):
        for mode, quarters in enumerate((3, 1, 0)):
            fate = dataset.fate(index, mode)
            steps = fate.places[1:] - fate.places[:-1]
            pace = (steps**2).sum(axis=1) ** 0.5
            assert pace == pytest.approx(pace[0])
            headings = steps / pace[:, None]
            assert headings[:3] == pytest.approx(headings[:1].repeat(3, axis=0))
            before = (HEADINGS @ headings[0]).argmax()
            assert headings[3:] == pytest.approx(HEADINGS[[(before + quarters) % 4]].repeat(4, axis=0))
    assert TURN.split("train").classes == TURNS


def test_a_thing_becomes_the_same_thing_in_every_clip():
    dataset = BECOME.split("test")
    outcomes = {tuple(dataset.fate(index, mode).shown[1] for mode in range(4)) for index in range(10)}
    assert len(outcomes) == 1
    assert len(set(outcomes.pop())) == 4


def test_parts_share_no_thing_and_a_past_is_a_function_of_its_number():
    shown = {part: {TURN.split(part).fate(i, 0).shown[0] for i in range(30)} for part in ("train", "test")}
    assert not shown["train"] & shown["test"]
    first, again = (TURN.split("train").get(7, 0, 0)["x"] for _ in range(2))
    assert torch.equal(first, again)
    other = replace(TURN, seed=1).split("train").get(7, 0, 0)["x"]
    assert not torch.equal(first, other)


def test_crops_depend_on_the_epoch_and_futures_are_whole():
    dataset = replace(TURN, augment=RandomResizedCrop(scale=(0.3, 0.5), flip=False)).build()
    assert not torch.equal(dataset.get(0, 0, 0)["x"], dataset.get(0, 1, 0)["x"])
    assert torch.equal(dataset.futures(0), TURN.build().futures(0))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"modes": 4}, "2 to 3 modes"),
        ({"seed": -1}, "seed is 0 or above"),
        ({"test": 0}, "at least one clip"),
        ({"side": (0.5, 0.2)}, "smallest first"),
        ({"pace": (0.2, 0.1)}, "slowest first"),
        ({"transform": replace(BRANCHING_CLIP, sampling=replace(BRANCHING_CLIP.sampling, frames=4))}, "multiple of 8"),
        ({"augment": RandomResizedCrop(flip=True)}, "flip"),
    ],
)
def test_bad_numbers_get_one_sentence(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(TURN, **change)


def test_more_modes_than_classes_are_refused():
    with pytest.raises(ValueError, match="only"):
        replace(TURN, story="become", modes=10, sprites="emoji").split("train").fate(0, 0)


def test_places_are_where_the_thing_is_seen():
    """The middle of what differs from the ground, on a round world, within the rounding of a corner."""
    dataset = TURN.split("test")
    angles = torch.arange(32) * (2 * torch.pi / 32)
    for index in range(6):
        clips, places = dataset.futures(index), dataset.places(index)
        assert places.shape == (3, 8, 2)
        mass = (clips - clips.flatten().median()).abs().sum(dim=1)
        for axis, lines in enumerate((mass.sum(dim=3), mass.sum(dim=2))):
            middle = torch.atan2((lines * angles.sin()).sum(-1), (lines * angles.cos()).sum(-1)) * 32 / (2 * torch.pi)
            way = (middle + 0.5 - places[..., axis]).remainder(32)
            assert torch.minimum(way, 32 - way).max() < 2
