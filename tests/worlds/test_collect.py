"""Episodes by number: the house format, and the same whatever is made beside them."""

import numpy as np
import pytest
import torch

from jepakit.worlds.collect import Collector
from jepakit.worlds.policies import RandomWalk
from jepakit.worlds.two_rooms import TwoRooms

WORLD = TwoRooms()


def test_episodes_are_in_the_house_format():
    episode = next(Collector(WORLD, RandomWalk(), steps=9)([4]))
    shapes = {key: (value.dtype.name, value.shape) for key, value in episode.items()}
    assert shapes == {
        "frames": ("uint8", (10, 64, 64, 3)),
        "actions": ("float32", (9, 2)),
        "states": ("float32", (10, 4)),
        "proprio": ("float32", (10, 2)),
    }
    states = torch.from_numpy(episode["states"])
    assert torch.equal(WORLD.step(states[:-1], torch.from_numpy(episode["actions"])), states[1:])
    assert np.array_equal(episode["frames"], WORLD.render(states).numpy())


def test_an_episode_depends_on_its_number_alone():
    collect = Collector(WORLD, RandomWalk(), steps=5, seed=3, batch=4)
    everything = list(collect(range(10)))
    some = list(collect([8, 2]))
    for number, episode in zip([8, 2], some, strict=True):
        assert all(np.array_equal(episode[key], everything[number][key]) for key in episode)
    other = next(Collector(WORLD, RandomWalk(), steps=5, seed=4)([8]))
    assert not np.array_equal(other["states"], some[0]["states"])


def test_an_episode_has_a_step():
    with pytest.raises(ValueError, match="a step or more"):
        Collector(WORLD, RandomWalk(), steps=0)
