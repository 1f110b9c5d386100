"""Takes of the scripted experts of Meta-World: 50 tasks of a Sawyer arm, drawn cheaply and without a screen.

The one file that needs the simulator. An episode is played first, then only the moments that are kept are drawn.
"""

import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from jepakit.data.robot_takes import FRAMES, SIZE, Take
from jepakit.mujoco import load_mujoco, open_renderer

try:
    mujoco = load_mujoco()
    from metaworld.env_dict import (  # pyright: ignore[reportMissingImports]
        ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE as _SCENES,
    )
    from metaworld.policies import ENV_POLICY_MAP as _EXPERTS  # pyright: ignore[reportMissingImports]
except Exception as error:  # MuJoCo's way to draw is loaded here, too, and fails as it likes
    raise ImportError(
        "takes of Meta-World need its simulator: pip install 'jepakit[metaworld]'; without a screen, apt-get install "
        f"libosmesa6 and set MUJOCO_GL=osmesa ({error})"
    ) from error

LINGER = 10
"""Steps after the task is done, so that a clip shows how it ends."""


@dataclass(frozen=True)
class View:
    """Where a camera stands: degrees around the middle of the table and down to it, and meters away from it."""

    azimuth: float
    elevation: float
    distance: float = 1.15
    target: tuple[float, float, float] = (0.0, 0.65, 0.12)


VIEWS: Mapping[str, View] = {"left": View(20.0, -30.0), "right": View(160.0, -30.0), "high": View(160.0, -55.0)}
"""From behind either shoulder of the robot, and from above."""
SWAY = View(15.0, 8.0, 0.15, (0.06, 0.06, 0.06))
"""How far, at most, the cameras of a take stand from their places. Where they never move, the pixels of a clip are so
like those of another take of its task that a nearest neighbor tells nearly all tasks: nothing is left to learn."""


def tasks() -> tuple[str, ...]:
    """The names of all tasks, without the version that Meta-World puts behind them."""
    return tuple(sorted(name.removesuffix("-v3") for name in _EXPERTS))


class MetaWorldStage:
    """The scene of one task with its expert: a `robot_takes.Stage`.

    Marks of the goal are not drawn, for their color would give the task away. Raises ValueError for a task that does
    not exist, and where MuJoCo cannot draw.
    """

    def __init__(self, task: str) -> None:
        if task not in tasks():
            raise ValueError(f"Meta-World has no task {task!r}; it has {', '.join(tasks())}")
        self.task = task
        self._world = _SCENES[f"{task}-v3-goal-observable"](seed=0)
        # Else every reset repeats the places of the first one, whatever the seed.
        self._world._freeze_rand_vec, self._world.seeded_rand_vec = False, True
        self._painter = _open_painter(self._world.model)

    def record(self, seed: int) -> Take:
        """The expert's episode from the places that `seed` draws: until `LINGER` steps after it is done."""
        seen, states, success = self._play(seed)
        moments = np.linspace(0, len(states) - 1, FRAMES).round().astype(int)
        kept = seen[moments].astype(np.float32)
        chance = np.random.default_rng((seed, zlib.crc32(self.task.encode())))
        clips = self._draw(states[moments], [_camera(view, chance.uniform(-1, 1, 6)) for view in VIEWS.values()])
        return Take(
            self.task, seed, success, len(states) - 1, tuple(VIEWS), clips, kept[:, :4],
            np.stack([kept[:, 4:7], kept[:, 11:14]], axis=1),
        )  # fmt: skip

    def close(self) -> None:
        """Frees what was opened to draw."""
        self._painter.close()
        self._world.close()

    def _play(self, seed: int) -> tuple[Float[np.ndarray, "t o"], Float[np.ndarray, "t q"], bool]:
        """What the expert observed, the states of the physics, and whether the task was done."""
        world, expert = self._world, _EXPERTS[f"{self.task}-v3"]()
        world.seed(seed)
        observation, _ = world.reset()
        seen, states, left = [observation], [self._state()], world.max_path_length
        success = False
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # that its actions are clipped, as here
            while left > 0:
                action = np.clip(expert.get_action(observation), -1, 1)
                observation, _, _, truncated, report = world.step(action)
                seen.append(observation)
                states.append(self._state())
                left = 0 if truncated else left - 1
                if report["success"] and not success:
                    success, left = True, min(left, LINGER)
        return np.stack(seen), np.stack(states), success

    def _state(self) -> Float[np.ndarray, "q"]:
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(self._world.model, kind))
        mujoco.mj_getState(self._world.model, self._world.data, state, kind)
        return state

    def _draw(self, states: Float[np.ndarray, "t q"], cameras: list[Any]) -> UInt8[np.ndarray, "k t s s 3"]:
        """All moments from all cameras, in the scene that the last reset has laid out."""
        model, data, marks = self._world.model, self._world.data, mujoco.MjvOption()
        marks.sitegroup[:] = 0
        drawn = np.empty((len(cameras), len(states), SIZE, SIZE, 3), dtype=np.uint8)
        for moment, state in enumerate(states):
            mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
            mujoco.mj_forward(model, data)
            for number, camera in enumerate(cameras):
                self._painter.update_scene(data, camera=camera, scene_option=marks)
                for costly in ("SHADOW", "REFLECTION", "SKYBOX"):
                    self._painter.scene.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{costly}")] = 0
                drawn[number, moment] = self._painter.render()
        return drawn


def _camera(view: View, away: Float[np.ndarray, "6"]) -> Any:
    """The camera of a take, as shares of `SWAY` away from its place."""
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.azimuth = view.azimuth + away[0] * SWAY.azimuth
    camera.elevation = view.elevation + away[1] * SWAY.elevation
    camera.distance = view.distance + away[2] * SWAY.distance
    camera.lookat[:] = np.array(view.target) + away[3:] * SWAY.target
    return camera


def _open_painter(model: Any) -> Any:
    """Without shadows and smoothed edges, which cost sixteen times as much as the picture."""
    model.vis.quality.offsamples = model.vis.quality.shadowsize = 0
    return open_renderer(model, SIZE)
