"""What watching costs: `python -m benchmarks.watching` trains the demo's recipe for a while and looks at the clock.

Counted as watching is all that `Observer` does after a step: reading the meters, adding up losses, writing log lines
to metrics.jsonl and TensorBoard, the progress line. Writes results/benchmarks/watching.json.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import torch

from benchmarks.record import record
from jepakit.recipes.images import demo
from jepakit.train.fit import fit
from jepakit.train.observe import Observer


@dataclass
class Clock:
    """When each step ended, and how long was spent on looking until then."""

    ends: list[float] = field(default_factory=list)
    looking: list[float] = field(default_factory=list)
    spent: float = 0.0

    def timed(self, look: Callable[..., None], last: bool) -> Callable[..., None]:
        """`look` with its time counted; with the `last` look of a step, the step ends."""

        def looked(*arguments: object) -> None:
            start = time.perf_counter()
            look(*arguments)
            self.spent += time.perf_counter() - start
            if last:
                self.ends.append(time.perf_counter())
                self.looking.append(self.spent)

        return looked

    def shares(self, steps: int) -> list[float]:
        """The share of looking in each stretch of so many steps. The first stretch, which warms up, is left out."""
        marks = range(steps - 1, len(self.ends), steps)
        return [
            (self.looking[mark] - self.looking[mark - steps]) / (self.ends[mark] - self.ends[mark - steps])
            for mark in marks[1:]
        ]


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="stretches of steps, each with one reading of the meters")
    parser.add_argument("--threads", type=int, default=None)
    asked = parser.parse_args()
    run = demo()
    stretch = run.watch.every
    run = replace(run, steps=stretch * (asked.rounds + 1), threads=asked.threads, probes=())
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as patches:
        for name in ("report", "watch", "probe"):
            look = clock.timed(getattr(Observer, name), last=name == "probe")
            patches.enter_context(patch.object(Observer, name, look))
        fit(run, Path(folder) / "run")
    shares = clock.shares(stretch)
    low, high = torch.quantile(torch.tensor(shares), torch.tensor([0.05, 0.95])).tolist()
    claim = {"value": statistics.median(shares), "low": low, "high": high, "n": len(shares), "unit": "share of time"}
    path = record("watching", {"claims": {"speed.watching.share": claim}, "shares": shares, "every": stretch})
    print(f"watching takes {claim['value']:.2%} of the time ({low:.2%} to {high:.2%}): {path}")


if __name__ == "__main__":
    main()
