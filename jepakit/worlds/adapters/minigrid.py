"""MiniGrid: rooms, keys and doors on a grid. Actions are one of seven: turn, go, pick up, drop, open, be done."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jepakit.config import Config
from jepakit.worlds.adapters.seen import SeenEnvironment, load_package, require_size

INSTALL = "'jepakit[minigrid]'"


@dataclass(frozen=True, kw_only=True)
class MiniGrid(Config):
    """One of its environments, by its id, seen from above as a whole."""

    name: str = "MiniGrid-DoorKey-6x6-v0"
    size: int = 64

    def __post_init__(self) -> None:
        require_size(self.size)

    def build(self) -> SeenEnvironment:
        """Raises ImportError, with what to install, without the package, and ValueError for an id that it lacks."""
        package = load_package("minigrid", INSTALL)
        gymnasium = load_package("gymnasium", "gymnasium")
        gymnasium.register_envs(package)
        if self.name not in gymnasium.registry:
            raise ValueError(f"MiniGrid has no environment {self.name!r}; its ids are like MiniGrid-DoorKey-6x6-v0")
        return SeenMiniGrid(gymnasium.make(self.name, render_mode="rgb_array"), self.size)


class SeenMiniGrid(SeenEnvironment):
    """The body feels where it stands, in cells, which way it faces, in quarters, and whether it carries something."""

    def feel(self, observed: Any) -> np.ndarray:
        grid: Any = self.env.unwrapped
        return np.array([*grid.agent_pos, grid.agent_dir, grid.carrying is not None], dtype=np.float32)

    def look(self) -> np.ndarray:
        grid: Any = self.env.unwrapped
        tile = max(self.size // max(grid.width, grid.height), 1)
        return grid.get_frame(highlight=False, tile_size=tile)
