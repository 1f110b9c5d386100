"""robosuite: a Franka Panda with the actions of V-JEPA 2-AC, a displacement and a turn of the hand, and the gripper."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jepakit.config import Config
from jepakit.mujoco import load_mujoco
from jepakit.worlds.adapters.seen import SeenEnvironment, load_package, require_size

INSTALL = "'jepakit[robosuite]'"
"""Which brings a MuJoCo below 3.9: the package does not say that MuJoCo 4 breaks it."""
_FELT = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")


@dataclass(frozen=True, kw_only=True)
class Robosuite(Config):
    """A task of one arm. Actions are seven numbers from -1 to 1, by its controller of poses (OSC_POSE)."""

    task: Literal["Lift", "Stack", "PickPlace", "Door", "NutAssembly"] = "Lift"
    size: int = 64
    camera: str = "agentview"
    steps: int = 200

    def __post_init__(self) -> None:
        require_size(self.size)

    def build(self) -> SeenEnvironment:
        """Raises ImportError, with what to install, without the package."""
        load_mujoco()
        robosuite = load_package("robosuite", INSTALL)
        wrappers = load_package("robosuite.wrappers", INSTALL)
        inner = robosuite.make(
            self.task,
            robots="Panda",
            has_renderer=False,
            has_offscreen_renderer=True,
            use_camera_obs=False,
            horizon=self.steps,
        )
        return SeenRobosuite(wrappers.GymWrapper(inner, keys=list(_FELT)), self.size, self.camera)


class SeenRobosuite(SeenEnvironment):
    """The body feels the hand's place, its turn as a quaternion, and the two fingers of the gripper."""

    def __init__(self, environment: Any, size: int, camera: str):
        self.camera = camera
        super().__init__(environment, size)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new episode. Whatever draws in there holds the same generator, so it is set, not replaced."""
        if seed is not None:
            simulator: Any = self.env.unwrapped
            simulator.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
        return super().reset(seed=seed, options=options)

    def feel(self, observed: Any) -> np.ndarray:
        return np.asarray(observed)

    def look(self) -> np.ndarray:
        """Its pictures are upside down."""
        simulator: Any = self.env.unwrapped
        return simulator.sim.render(width=self.size, height=self.size, camera_name=self.camera)[::-1]
