"""What came of the episodes of an evaluation: a figure, its interval, and everything needed to doubt it."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from jepakit.probes.result import wilson


@dataclass(frozen=True)
class Episode:
    """One episode: its seed and number, whether the goal was reached at any moment and at the last one, and after how
    many steps for the first time."""

    seed: int
    number: int
    reached: bool
    final: bool
    steps: int | None


@dataclass(frozen=True)
class Outcome:
    """All episodes that were played, and what it took.

    `excluded` episodes were solved at the start. `clamped` of all `actions` were outside of their bounds, and cut.
    `states` are those passed through, the start included, and `goals` those that were to be reached: for videos, and
    for other measures than success.
    """

    policy: str
    protocol: str
    success: Literal["any", "final"]
    episodes: tuple[Episode, ...]
    excluded: int
    actions: int
    clamped: int
    plans: int
    cpu_seconds: float
    states: Float[Tensor, "n t k"] = field(repr=False)
    goals: Float[Tensor, "n k"] = field(repr=False)

    @property
    def rate(self) -> float:
        """The share of episodes with success, as the protocol has it."""
        return statistics.fmean(self._counts(episode) for episode in self.episodes)

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval over all episodes (Wilson 1927)."""
        return wilson(sum(self._counts(episode) for episode in self.episodes), len(self.episodes))

    @property
    def by_seed(self) -> dict[int, float]:
        """The share for each seed."""
        seeds = sorted({episode.seed for episode in self.episodes})
        rows = {seed: [self._counts(row) for row in self.episodes if row.seed == seed] for seed in seeds}
        return {seed: statistics.fmean(row) for seed, row in rows.items()}

    @property
    def steps(self) -> float | None:
        """The median number of steps to the goal, of episodes that reached it; None if none did."""
        taken = [episode.steps for episode in self.episodes if episode.steps is not None]
        return float(statistics.median(taken)) if taken else None

    @property
    def cpu_seconds_per_plan(self) -> float:
        """What deciding takes for one episode once, encoding what is seen included."""
        return self.cpu_seconds / self.plans

    def to_json(self) -> dict[str, Any]:
        """All but the states and goals."""
        low, high = self.interval
        final = statistics.fmean(episode.final for episode in self.episodes)
        return {
            "policy": self.policy, "protocol": self.protocol, "success": self.rate, "low": low, "high": high,
            "n": len(self.episodes), "by_seed": {str(seed): rate for seed, rate in self.by_seed.items()},
            "final": final, "steps": self.steps, "excluded": self.excluded, "actions": self.actions,
            "clamped": self.clamped, "cpu_seconds_per_plan": self.cpu_seconds_per_plan,
            "episodes": [asdict(episode) for episode in self.episodes],
        }  # fmt: skip

    def __str__(self) -> str:
        low, high = self.interval
        taken = "" if self.steps is None else f", {self.steps:.0f} steps to the goal (median)"
        return (
            f"{self.policy}: {self.rate:.1%} ({low:.1%} to {high:.1%}) of {len(self.episodes)} episodes{taken}; "
            f"{self.excluded} solved at the start and left out; {self.clamped} of {self.actions} actions clamped; "
            f"{self.cpu_seconds_per_plan:.3g} CPU-seconds a plan; {self.protocol}"
        )

    def _counts(self, episode: Episode) -> bool:
        return episode.reached if self.success == "any" else episode.final
