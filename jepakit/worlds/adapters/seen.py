"""An environment of others with observations like ours: a square picture, and what the body feels."""

import importlib
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from PIL import Image

try:
    import gymnasium
    from gymnasium import spaces
except ImportError as error:
    raise ImportError(f"environments need gymnasium: pip install 'jepakit[worlds]' ({error})") from None


class SeenEnvironment(gymnasium.Wrapper, ABC):
    """Observations are {"pixels" [size size 3], "proprio" [p]}; "observed" in the info is what the environment gave.

    Subclasses say how the picture is taken and which numbers the body feels. Goals, actions and rewards are unchanged.
    """

    def __init__(self, environment: Any, size: int):
        super().__init__(environment)
        self.size = size
        observed, _ = environment.reset(seed=0)
        felt = self.feel(observed)
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Box(0, 255, (size, size, 3), np.uint8),
                "proprio": spaces.Box(-np.inf, np.inf, felt.shape, np.float32),
            }
        )

    @abstractmethod
    def feel(self, observed: Any) -> np.ndarray:
        """The numbers that the body feels, out of what the environment observed."""

    @abstractmethod
    def look(self) -> np.ndarray:
        """A picture of this moment, of any size."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new episode."""
        observed, info = self.env.reset(seed=seed, options=options)
        return self._see(observed), {**info, "observed": observed}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What an action makes of it."""
        observed, reward, terminated, truncated, info = self.env.step(action)
        return self._see(observed), float(reward), terminated, truncated, {**info, "observed": observed}

    def _see(self, observed: Any) -> dict[str, np.ndarray]:
        picture = self.look()
        if picture.shape[:2] != (self.size, self.size):
            resized = Image.fromarray(picture).resize((self.size, self.size), Image.Resampling.BOX)
            picture = np.asarray(resized)
        return {"pixels": np.array(picture, dtype=np.uint8), "proprio": np.asarray(self.feel(observed), np.float32)}


def load_package(module: str, install: str) -> Any:
    """A package of environments. Raises ImportError, with what to install, where it is missing or does not load."""
    try:
        return importlib.import_module(module)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ImportError(f"this environment needs {module}: pip install {install} ({reason})") from None


def require_size(size: int) -> None:
    """Raises ValueError for a picture that nobody could draw."""
    if not 16 <= size <= 512:
        raise ValueError(f"size is the side of a picture, from 16 to 512 pixels, got {size}")
