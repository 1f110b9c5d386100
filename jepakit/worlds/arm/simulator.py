"""One arm, moved and drawn by MuJoCo. All that matters of it is in one vector, so that it can be put back.

The vector (`LAYOUT`): the pose of the hand (with how far the gripper is closed), places and speeds of all joints and of
the thing, and how far the gripper was told to close, which holds on to things.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from jepakit.mujoco import load_mujoco, open_renderer
from jepakit.worlds.arm.arm7 import Arm7
from jepakit.worlds.arm.scene import HEIGHTS, HOME, OPENING, TARGET, write_scene

JOINTS = len(HOME)
SUBSTEPS = 25
"""Steps of the physics in an action: a quarter of a second, for V-JEPA 2-AC moves four times a second."""
FENCE = np.array([(0.28, 0.75), (-0.38, 0.38), (0.02, 0.5)])
"""Where the hand may be sent along x, y and z; what lies outside is cut, as laboratories do it around real arms."""
_REACHED = 2e-4
_SOLVES, _DAMPING, _HOMING = 5, 0.02, 0.05


class Layout(NamedTuple):
    """Where things stand in the vector of a state."""

    pose: slice
    places: slice
    speeds: slice
    told: int
    thing: slice
    size: int


LAYOUT = Layout(slice(0, 7), slice(7, 23), slice(23, 38), 38, slice(16, 19), 39)


class ArmSimulator:
    """The arm and the thing before it; angles in radians, lengths in meters."""

    def __init__(self, config: Arm7) -> None:
        self._config, self._mujoco = config, load_mujoco()
        self._model = self._mujoco.MjModel.from_xml_string(write_scene(config))
        self._data = self._mujoco.MjData(self._model)
        self._tip = self._mujoco.mj_name2id(self._model, self._mujoco.mjtObj.mjOBJ_SITE, "tip")
        self._ranges = self._model.jnt_range[:JOINTS].copy()
        self._jacobian = np.zeros((6, self._model.nv))

    def __reduce__(self) -> tuple[type["ArmSimulator"], tuple[Arm7]]:
        return ArmSimulator, (self._config,)

    def place(
        self, hand: Float[np.ndarray, "3"], yaw: float, thing: Float[np.ndarray, "2"], spin: float
    ) -> Float[np.ndarray, "k"]:
        """The state with an open hand at a place, pointing down, and the thing standing on the table."""
        data = self._data
        self._mujoco.mj_resetData(self._model, data)
        data.qpos[:JOINTS], data.qpos[JOINTS : JOINTS + 2] = HOME, OPENING
        data.qpos[JOINTS + 2 :] = (*thing, HEIGHTS[self._config.thing], np.cos(spin / 2), 0, 0, np.sin(spin / 2))
        data.qpos[:JOINTS] = self._solve(hand, _matrix(np.array([0.0, 0.0, yaw])), solves=100)
        return self._vector(0.0)

    def step(self, state: Float[np.ndarray, "k"], action: Float[np.ndarray, "7"]) -> Float[np.ndarray, "k"]:
        """What an action makes of a state. It is always the same: nothing is kept from one call to the next."""
        mujoco, model, data = self._mujoco, self._model, self._data
        data.qpos[:], data.qvel[:] = state[LAYOUT.places], state[LAYOUT.speeds]
        data.qacc_warmstart[:], data.time = 0.0, 0.0
        told = float(np.clip(state[LAYOUT.told] + action[6], 0.0, 1.0))
        self._forward()
        where = data.site_xpos[self._tip] + action[:3]
        where = where.clip(FENCE[:, 0], FENCE[:, 1])
        turned = _matrix(action[3:6]) @ data.site_xmat[self._tip].reshape(3, 3)
        data.ctrl[:JOINTS] = self._solve(where, turned, _SOLVES)
        data.ctrl[JOINTS:] = OPENING * (1.0 - told)
        data.qpos[:] = state[LAYOUT.places]  # the solution was sought by trying
        mujoco.mj_step(model, data, SUBSTEPS)
        return self._vector(told)

    def draw(self, state: Float[np.ndarray, "k"]) -> UInt8[np.ndarray, "h w 3"]:
        """A picture of a state. Raises NoCanvas."""
        self._data.qpos[:] = state[LAYOUT.places]
        self._forward()
        self._mujoco.mj_camlight(self._model, self._data)
        self._shade("hand", self._data.site_xpos[self._tip], state[5])
        self._shade("thing", state[LAYOUT.thing], 0.0)
        self._renderer.update_scene(self._data, camera=self._camera)
        return self._renderer.render()

    def close(self) -> None:
        """Frees what was opened to draw."""
        if "_renderer" in self.__dict__:
            self._renderer.close()
            del self.__dict__["_renderer"]

    def _forward(self) -> None:
        """Where everything is, for these angles of the joints."""
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_comPos(self._model, self._data)

    def _shade(self, name: str, above: Float[np.ndarray, "3"], yaw: float) -> None:
        """Puts a shade on the table below what throws it."""
        shade = self._mujoco.mj_name2id(self._model, self._mujoco.mjtObj.mjOBJ_GEOM, f"shade_{name}")
        self._data.geom_xpos[shade] = (above[0], above[1], 0.0006)
        self._data.geom_xmat[shade] = _matrix(np.array([0.0, 0.0, yaw])).ravel()

    def _solve(
        self, where: Float[np.ndarray, "3"], turned: Float[np.ndarray, "3 3"], solves: int
    ) -> Float[np.ndarray, "7"]:
        """Angles of the joints that put the hand there, by damped least squares; what is free leans to `HOME`.

        Buss, "Introduction to inverse kinematics with Jacobian transpose, pseudoinverse and damped least squares
        methods" (2009), equation 11. Where the arm cannot reach, it stretches towards it.
        """
        data, places, spins = self._data, self._jacobian[:3], self._jacobian[3:]
        for _ in range(solves):
            self._forward()
            off = where - data.site_xpos[self._tip]
            twist = _twist(turned @ data.site_xmat[self._tip].reshape(3, 3).T)
            error = np.concatenate([off, twist])
            if np.abs(error).max() < _REACHED:
                break
            self._mujoco.mj_jacSite(self._model, data, places, spins, self._tip)
            found = self._jacobian[:, :JOINTS]
            inverse = found.T @ np.linalg.inv(found @ found.T + _DAMPING**2 * np.eye(6))
            lean = _HOMING * (np.array(HOME) - data.qpos[:JOINTS])
            change = inverse @ error + lean - inverse @ (found @ lean)
            data.qpos[:JOINTS] = (data.qpos[:JOINTS] + change).clip(self._ranges[:, 0], self._ranges[:, 1])
        return data.qpos[:JOINTS].copy()

    def _vector(self, told: float) -> Float[np.ndarray, "k"]:
        self._forward()
        data, grip = self._data, 1.0 - self._data.qpos[JOINTS : JOINTS + 2].mean() / OPENING
        pose = (*data.site_xpos[self._tip], *_angles(data.site_xmat[self._tip].reshape(3, 3)), np.clip(grip, 0.0, 1.0))
        return np.array([*pose, *data.qpos, *data.qvel, told], dtype=np.float32)

    @cached_property
    def _renderer(self) -> Any:
        found = open_renderer(self._model, self._config.size)
        for costly in ("SHADOW", "REFLECTION", "SKYBOX"):
            found.scene.flags[getattr(self._mujoco.mjtRndFlag, f"mjRND_{costly}")] = 0
        return found

    @cached_property
    def _camera(self) -> Any:
        camera, stands = self._mujoco.MjvCamera(), self._config.camera
        camera.type = self._mujoco.mjtCamera.mjCAMERA_FREE
        camera.azimuth, camera.elevation, camera.distance = stands.azimuth, stands.elevation, stands.distance
        camera.lookat[:] = TARGET
        return camera


def _matrix(angles: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """`poses.rotation_of` of one orientation: for a single one, torch would take ten times as long."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def _angles(rotation: Float[np.ndarray, "3 3"]) -> tuple[float, float, float]:
    """`poses.angles_of` of one rotation of a hand, which never points straight up."""
    level = float(np.hypot(rotation[0, 0], rotation[1, 0]))
    return (
        float(np.arctan2(rotation[2, 1], rotation[2, 2])),
        float(np.arctan2(-rotation[2, 0], level)),
        float(np.arctan2(rotation[1, 0], rotation[0, 0])),
    )


def _twist(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3"]:
    """The axis of a rotation, as long as the sine of its angle: for the small ones of an action, the angle itself."""
    return 0.5 * np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
