"""Environments of gymnasium: they pass its own check, and many at once are as if each were alone."""

import warnings

import numpy as np
import pytest
import torch

gymnasium = pytest.importorskip("gymnasium", reason="environments need gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402, after the test is skipped without it

from jepakit.mujoco import NoCanvas  # noqa: E402
from jepakit.worlds.environments import IDS, register  # noqa: E402
from jepakit.worlds.push import Push  # noqa: E402
from jepakit.worlds.two_rooms import TwoRooms  # noqa: E402

QUICK = {"jepakit/Push-v0": {"config": Push(offset=3)}}
"""Goals that are found sooner."""


@pytest.fixture(scope="module", autouse=True)
def registered():
    register()
    register()


@pytest.mark.parametrize("name", IDS)
def test_it_passes_the_check_of_gymnasium(name: str):
    try:
        environment = gymnasium.make(name, render_mode="rgb_array", **QUICK.get(name, {})).unwrapped
    except (ImportError, NoCanvas) as reason:
        pytest.skip(f"{name} does not run here: {reason}")
    with warnings.catch_warnings():
        # Advice for training by rewards: what a body feels has no bound, and an action is in units of the world.
        warnings.filterwarnings("ignore", message=".*(Box observation space|normalized space|Box action space).*")
        check_env(environment)


def test_a_world_with_other_measures_is_made_by_the_same_id():
    environment = gymnasium.make("jepakit/TwoRooms-v0", config=TwoRooms(size=48))
    assert environment.reset(seed=0)[0]["pixels"].shape == (48, 48, 3)


def test_an_episode_is_that_of_the_world():
    environment = gymnasium.make("jepakit/TwoRooms-v0")
    world = TwoRooms()
    seen, info = environment.reset(seed=3)
    assert np.array_equal(environment.reset(seed=3)[1]["goal_state"], info["goal_state"])
    state = torch.from_numpy(info["state"])
    assert np.array_equal(seen["pixels"], world.render(state[None])[0].numpy())
    assert np.array_equal(info["goal"]["pixels"], world.render(torch.from_numpy(info["goal_state"])[None])[0].numpy())
    _, reward, _, _, after = environment.step(np.array([1.0, -2.0], dtype=np.float32))
    assert np.array_equal(after["state"], world.step(state, torch.tensor([1.0, -2.0])).numpy())
    assert reward == 0


def test_it_ends_at_the_goal_and_is_cut_off_in_time():
    environment = gymnasium.make("jepakit/TwoRooms-v0", max_episode_steps=5)
    goal = np.array([12.0, 30.0, 32.0, 20.0])
    environment.reset(seed=0, options={"start": goal + np.array([6.0, 0, 0, 0]), "goal": goal})
    _, reward, terminated, _, _ = environment.step(np.array([-2.0, 0.0], dtype=np.float32))
    assert (reward, terminated) == (1.0, True)
    environment.reset(seed=0, options={"start": goal + np.array([0, 25.0, 0, 0]), "goal": goal})
    ends = [environment.step(np.zeros(2, dtype=np.float32))[2:4] for _ in range(5)]
    assert ends == [(False, False)] * 4 + [(False, True)]


def test_options_that_mean_nothing_are_refused():
    environment = gymnasium.make("jepakit/TwoRooms-v0")
    with pytest.raises(ValueError, match="not speed"):
        environment.reset(options={"speed": 3})
    with pytest.raises(ValueError, match="has 4 numbers, got 2"):
        environment.reset(options={"goal": [1.0, 2.0]})


@pytest.mark.parametrize("name", ["jepakit/TwoRooms-v0", "jepakit/Push-v0"])
def test_many_at_once_are_as_if_each_were_alone(name: str):
    """Over several episodes, which begin again after 7 steps or at the goal."""
    sizes = {"num_envs": 3, "max_episode_steps": 7, **QUICK.get(name, {})}
    many, one_by_one = gymnasium.make_vec(name, **sizes), gymnasium.make_vec(name, vectorization_mode="sync", **sizes)
    assert type(many.unwrapped) is not type(one_by_one.unwrapped)
    (seen, info), (wanted, wanted_info) = many.reset(seed=5), one_by_one.reset(seed=5)
    one_by_one.action_space.seed(0)
    for _ in range(20):
        for key in ("pixels", "proprio"):
            assert np.array_equal(seen[key], wanted[key])
            assert np.array_equal(info["goal"][key], wanted_info["goal"][key])
        actions = one_by_one.action_space.sample()
        seen, *ends, info = many.step(actions)
        wanted, *wanted_ends, wanted_info = one_by_one.step(actions)
        assert all(np.array_equal(*pair) for pair in zip(ends, wanted_ends, strict=True))
