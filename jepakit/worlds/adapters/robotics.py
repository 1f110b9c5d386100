"""PointMaze and Fetch of gymnasium-robotics: a ball in a maze, and an arm that is led by its hand."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jepakit.config import Config
from jepakit.mujoco import load_mujoco
from jepakit.worlds.adapters.seen import SeenEnvironment, load_package, require_size

INSTALL = "'jepakit[robotics]'"
"""Which brings a MuJoCo below 3.9: with 3.12 and above Fetch fails, and the package does not say which one it needs."""

_AWAY = 1.25
"""How far a camera of 45 degrees has to be from a square to see all of it, in its sides."""


@dataclass(frozen=True, kw_only=True)
class PointMaze(Config):
    """A ball with inertia in one of D4RL's mazes, seen from above, where no wall hides it.

    Actions are forces along x and y, from -1 to 1.
    """

    size: int = 64
    maze: Literal["UMaze", "Open", "Medium", "Large"] = "UMaze"
    steps: int = 300

    def __post_init__(self) -> None:
        require_size(self.size)

    def build(self) -> SeenEnvironment:
        """Raises ImportError, with what to install, without the package."""
        inner = _make(f"PointMaze_{self.maze}-v3", self.size, self.steps)
        maze = inner.unwrapped.maze
        side = max(maze.map_length, maze.map_width) * maze.maze_size_scaling
        above = {"azimuth": 90.0, "elevation": -90.0, "distance": _AWAY * side, "lookat": np.zeros(3)}
        inner.unwrapped.point_env.mujoco_renderer.default_cam_config = above
        return SeenGoalEnvironment(inner, self.size, inner.unwrapped.point_env.model, felt=4)


@dataclass(frozen=True, kw_only=True)
class Fetch(Config):
    """The Fetch arm. Actions are a displacement of the hand and the gripper, from -1 to 1: four numbers, for the hand
    is led by a mocap body and never turns."""

    size: int = 64
    task: Literal["Reach", "Push", "Slide", "PickAndPlace"] = "Reach"
    steps: int = 50

    def __post_init__(self) -> None:
        require_size(self.size)

    def build(self) -> SeenEnvironment:
        """Raises ImportError, with what to install, without the package."""
        inner = _make(f"Fetch{self.task}-v4", self.size, self.steps)
        return SeenGoalEnvironment(inner, self.size, inner.unwrapped.model, felt=3)


class SeenGoalEnvironment(SeenEnvironment):
    """The body feels the first `felt` numbers: where the ball is and how fast, or where the hand is."""

    def __init__(self, environment: Any, size: int, model: Any, felt: int):
        _draw_lightly(model)
        self.felt = felt
        super().__init__(environment, size)

    def feel(self, observed: Any) -> np.ndarray:
        return np.asarray(observed["observation"])[: self.felt]

    def look(self) -> np.ndarray:
        return np.asarray(self.env.render())


def _make(name: str, size: int, steps: int) -> Any:
    load_mujoco()
    package = load_package("gymnasium_robotics", INSTALL)
    gymnasium = load_package("gymnasium", "gymnasium")
    gymnasium.register_envs(package)
    try:
        return gymnasium.make(name, render_mode="rgb_array", width=size, height=size, max_episode_steps=steps)
    except (AssertionError, AttributeError) as error:
        raise ImportError(
            f"{name} does not work with this MuJoCo: pip install {INSTALL} ({type(error).__name__}: {error})"
        ) from None


def _draw_lightly(model: Any) -> None:
    """No smoothing of edges and no shadows, which take most of the time of drawing without a GPU."""
    model.vis.quality.offsamples = 0
    model.vis.quality.shadowsize = 0
    model.light_castshadow[:] = 0
