"""panda-gym: a Franka Panda simulated by PyBullet, which draws without a GPU and without OpenGL, slowly."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jepakit.config import Config
from jepakit.worlds.adapters.seen import SeenEnvironment, load_package, require_size

INSTALL = "'jepakit[panda]'"


@dataclass(frozen=True, kw_only=True)
class Panda(Config):
    """The arm. Actions move the hand (three numbers and, where something is to be held, the gripper), or with
    `control="joints"` its seven joints, from -1 to 1."""

    size: int = 64
    task: Literal["Reach", "Push", "Slide", "PickAndPlace", "Stack", "Flip"] = "Reach"
    control: Literal["ee", "joints"] = "ee"

    def __post_init__(self) -> None:
        require_size(self.size)

    def build(self) -> SeenEnvironment:
        """Raises ImportError, with what to install, without the package."""
        gymnasium = load_package("gymnasium", "gymnasium")
        gymnasium.register_envs(load_package("panda_gym", INSTALL))
        joints = "Joints" if self.control == "joints" else ""
        inner = gymnasium.make(
            f"Panda{self.task}{joints}-v3",
            render_mode="rgb_array",
            renderer="Tiny",
            render_width=self.size,
            render_height=self.size,
        )
        return SeenPanda(inner, self.size)


class SeenPanda(SeenEnvironment):
    """The body feels its hand's place and velocity."""

    def feel(self, observed: Any) -> np.ndarray:
        return np.asarray(observed["observation"])[:6]

    def look(self) -> np.ndarray:
        return np.asarray(self.env.render())
