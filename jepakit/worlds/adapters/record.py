"""Episodes from environments of gymnasium, in the house format: what `worlds.collect` is for our own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from jepakit.worlds.adapters.seen import SeenEnvironment

Choose = Callable[[np.random.Generator, dict[str, Any]], Any]
"""The next action: of a generator that belongs to the episode, and the info of the moment before."""


@dataclass(frozen=True)
class Recorder:
    """Makes episodes by number: each begins from a seed of its own, as a function of (seed, number).

    Called with numbers, it yields frames uint8 [t h w c], actions float32 [t-1 a] and proprio float32 [t p]; actions
    that are one of n are written as n numbers, of which one is 1. An episode is over after `steps`, or where the
    environment ends it. Without `choose`, actions are drawn from the action space.
    """

    environment: SeenEnvironment
    steps: int
    seed: int = 0
    choose: Choose | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"an episode has a step or more, got {self.steps}")

    def __call__(self, numbers: Sequence[int]) -> Iterator[dict[str, np.ndarray]]:
        for number in numbers:
            yield self._record(np.random.default_rng([self.seed, number]))

    def _record(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        environment = self.environment
        environment.action_space.seed(int(generator.integers(2**31)))
        seen, info = environment.reset(seed=int(generator.integers(2**31)))
        moments, actions, is_over = [seen], [], False
        while len(actions) < self.steps and not is_over:
            action = environment.action_space.sample() if self.choose is None else self.choose(generator, info)
            seen, _, terminated, truncated, info = environment.step(action)
            moments.append(seen)
            actions.append(self._write(action))
            is_over = terminated or truncated
        frames, proprio = (np.stack([moment[key] for moment in moments]) for key in ("pixels", "proprio"))
        return {"frames": frames, "actions": np.stack(actions), "proprio": proprio}

    def _write(self, action: Any) -> Float32[np.ndarray, "a"]:
        """An action as numbers."""
        count = getattr(self.environment.action_space, "n", None)
        if count is None:
            return np.asarray(action, dtype=np.float32)
        return np.eye(int(count), dtype=np.float32)[int(action)]
