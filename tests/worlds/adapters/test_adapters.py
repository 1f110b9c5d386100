"""Environments of others: each runs where its package is, and looks like ours. Packages that are missing are named."""

import importlib
import importlib.util
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="environments need gymnasium")

from jepakit.config import Config
from jepakit.worlds.adapters.minigrid import MiniGrid
from jepakit.worlds.adapters.panda import Panda
from jepakit.worlds.adapters.pusht import PushT
from jepakit.worlds.adapters.record import Recorder
from jepakit.worlds.adapters.robosuite import Robosuite
from jepakit.worlds.adapters.robotics import Fetch, PointMaze
from jepakit.worlds.adapters.seen import SeenEnvironment

ADAPTERS: list[tuple[str, Config, int, int]] = [
    ("gym_pusht", PushT(), 2, 2),
    ("minigrid", MiniGrid(), 4, 7),
    ("gymnasium_robotics", PointMaze(), 4, 2),
    ("gymnasium_robotics", Fetch(task="PickAndPlace"), 3, 4),
    ("panda_gym", Panda(), 6, 3),
    ("robosuite", Robosuite(), 9, 7),
]
"""The package, what is built, and how many numbers a body feels and an action has."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("package", "config", "felt", "acted"), ADAPTERS, ids=lambda item: type(item).__name__)
def test_it_is_seen_as_ours(package: str, config: Config, felt: int, acted: int, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    record = Recorder(config.build(), steps=6, seed=1)
    first, second = record([3, 4])
    assert first["frames"].shape == (7, 64, 64, 3)
    assert first["frames"].dtype == np.uint8
    assert first["frames"].std() > 5
    assert first["proprio"].shape == (7, felt)
    assert first["actions"].shape == (6, acted)
    again = next(record([3]))
    assert np.allclose(again["actions"], first["actions"])
    assert np.allclose(again["proprio"], first["proprio"], atol=1e-5)
    assert not np.allclose(second["actions"], first["actions"])


@pytest.mark.parametrize(("package", "config", "felt", "acted"), ADAPTERS, ids=lambda item: type(item).__name__)
def test_what_is_missing_is_named(package: str, config: Config, felt: int, acted: int):
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(ImportError, match="pip install"):
        config.build()


def make_counter() -> SeenEnvironment:
    """An environment of two actions that counts how often the second is chosen, and ends at 3."""
    import gymnasium
    from gymnasium import spaces

    class Counter(gymnasium.Env):
        observation_space, action_space = spaces.Box(0, 3, (1,)), spaces.Discrete(2)
        count = 0

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
            super().reset(seed=seed)
            self.count = 0
            return np.zeros(1, np.float32), {}

        def step(self, action: Any):
            self.count += int(action)
            return np.array([self.count], np.float32), 0.0, self.count == 3, False, {}

    class SeenCounter(SeenEnvironment):
        def feel(self, observed: Any) -> np.ndarray:
            return observed

        def look(self) -> np.ndarray:
            return np.full((40, 40, 3), 10 * self.env.unwrapped.count, np.uint8)

    return SeenCounter(Counter(), size=20)


def test_an_episode_is_recorded_until_the_environment_ends_it():
    record = Recorder(make_counter(), steps=50, choose=lambda generator, info: 1)
    episode = next(record([0]))
    assert episode["frames"][:, 0, 0, 0].tolist() == [0, 10, 20, 30]
    assert episode["proprio"].tolist() == [[0], [1], [2], [3]]
    assert episode["actions"].tolist() == [[0, 1]] * 3
    assert len(next(Recorder(make_counter(), steps=2, choose=lambda generator, info: 1)([0]))["actions"]) == 2


def test_pictures_are_made_smaller():
    seen, info = make_counter().reset(seed=0)
    assert seen["pixels"].shape == (20, 20, 3)
    assert info["observed"].shape == (1,)


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="from 16 to 512"):
        PushT(size=4)
    with pytest.raises(ValueError, match="a step or more"):
        Recorder(make_counter(), steps=0)
