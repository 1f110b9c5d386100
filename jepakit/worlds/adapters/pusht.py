"""Push-T of gym-pusht: a T is pushed onto a drawn one. Actions are places on a board of 512 where the disc shall go."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jepakit.config import Config
from jepakit.worlds.adapters.seen import SeenEnvironment, load_package, require_size

INSTALL = "'jepakit[pusht]'"
"""Which brings pymunk 6: gym-pusht asks for handlers of collisions that pymunk 7 does not have any more."""

_LEAST = 96
"""On smaller pictures, it cannot draw the mark of an action."""


@dataclass(frozen=True, kw_only=True)
class PushT(Config):
    """The environment; `size` is the side of its pictures. The state of its disc's controller is hidden."""

    size: int = 64
    steps: int = 300

    def __post_init__(self) -> None:
        require_size(self.size)

    def build(self) -> SeenEnvironment:
        """Raises ImportError, with what to install, without gym-pusht."""
        package = load_package("gym_pusht.envs", INSTALL)
        gymnasium = load_package("gymnasium", "gymnasium")
        side = max(self.size, _LEAST)
        inner = package.PushTEnv(
            obs_type="state", render_mode="rgb_array", visualization_width=side, visualization_height=side
        )
        return SeenPushT(gymnasium.wrappers.TimeLimit(inner, self.steps), self.size)


class SeenPushT(SeenEnvironment):
    """The body feels where the disc is."""

    def feel(self, observed: Any) -> np.ndarray:
        return np.asarray(observed)[:2]

    def look(self) -> np.ndarray:
        return np.asarray(self.env.render())
