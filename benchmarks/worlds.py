"""How many frames a second each world gives to a collector: acting, physics and pictures, on one thread.

    python -m benchmarks.worlds

Seconds are those of the process, so that others on the machine disturb them less. A world that cannot be drawn here is
left out, with the reason.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.record import record
from jepakit.mujoco import NoCanvas
from jepakit.worlds.collect import Collector
from jepakit.worlds.listing import WORLDS
from jepakit.worlds.policies import Expert, Policy, RandomWalk, Uniform

EPISODES, STEPS, ARM_EPISODES = 64, 64, 8
POLICIES: dict[str, Policy] = {
    "two_rooms": RandomWalk(),
    "diverse_maze": Uniform(hold=2),
    "push": Expert(),
    "arm7": Expert(),
}
"""Whose episodes are collected: the policies that data for these worlds are made with."""


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/worlds.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often each world is collected from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rates, reasons = {}, {}
    for name, policy in POLICIES.items():
        try:
            rates[name] = measure(name, policy, arguments.rounds)
        except (NoCanvas, ImportError) as error:
            reasons[name] = str(error)
    show(rates, reasons)
    path = record(
        "worlds",
        {
            "what": f"episodes of {STEPS} steps, 64 pixels: policy, physics and pictures, CPU-seconds of one thread",
            "claims": {f"worlds.{name}.frames_per_second": rate for name, rate in rates.items()},
            "policies": {name: str(policy) for name, policy in POLICIES.items()},
            "left_out": reasons,
        },
    )
    print(f"written to {path}")


def measure(name: str, policy: Policy, rounds: int, episodes: int | None = None) -> dict[str, float | str]:
    """Frames a CPU-second: the median of the rounds, their least and most. Each round has episodes of its own.

    Raises NoCanvas or ImportError for a world that does not run here.
    """
    each = episodes or (ARM_EPISODES if name == "arm7" else EPISODES)
    collect = Collector(WORLDS[name].build(), policy, STEPS)
    rates = sorted(_rates(collect, each, rounds))
    return {
        "value": statistics.median(rates),
        "low": rates[0],
        "high": rates[-1],
        "n": rounds,
        "unit": "frames a second",
    }


def _rates(collect: Collector, each: int, rounds: int) -> Iterator[float]:
    """The first round, which loads libraries and builds what is kept, is not counted."""
    for number in range(rounds + 1):
        start = time.process_time()
        frames = sum(len(episode["frames"]) for episode in collect(range(number * each, (number + 1) * each)))
        if number:
            yield frames / (time.process_time() - start)


def show(
    rates: dict[str, dict[str, Any]], reasons: dict[str, str], what: str = "world", done: str = "collected"
) -> None:
    """Prints the table: frames a CPU-second of each world, or of what else `what` says."""
    table = Table(title=f"frames a CPU-second, {done}")
    for column in (what, "frames/s", "least to most"):
        table.add_column(column, justify="left" if column == what else "right")
    for name, rate in rates.items():
        table.add_row(name, f"{rate['value']:.0f}", f"{rate['low']:.0f} to {rate['high']:.0f}")
    for name, reason in reasons.items():
        table.add_row(name, "-", reason)
    Console().print(table)


if __name__ == "__main__":
    main()
