"""What a process takes that keeps freed memory, as the command line does, against one that gives it back.

    python -m benchmarks.allocator

Both train PLDM in two rooms for some steps, each as a process of its own, on one thread and on the same episodes.
Seconds are those of the processes, the kernel's included, from start to end.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.record import control_holds, interleave, ratio, record

GIVES_BACK = {"MALLOC_MMAP_MAX_": "65536"}
"""What glibc does by itself, said aloud: the command line then leaves everything as it is."""
SIDES: dict[str, dict[str, str]] = {"gives back": GIVES_BACK, "keeps": {}, "keeps again": {}}


def main() -> None:
    """Measures, prints the ratio and writes results/benchmarks/allocator.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs")
    parser.add_argument("--steps", type=int, default=60, help="steps of each training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        episodes = Path(folder) / "episodes"
        jepakit("collect", "two_rooms", "--policy", "mixture", "--episodes", "64", "--out", str(episodes))
        sides = {name: partial(train, episodes, arguments.steps, environment) for name, environment in SIDES.items()}
        seconds = interleave(sides, arguments.rounds, warmup=0, clock=of_children)
    saved, control = ratio(seconds["gives back"], seconds["keeps"]), ratio(seconds["keeps again"], seconds["keeps"])
    print(f"keeping freed memory: {saved['value']:.2f} times as fast; the same side again: {control['value']:.3f}")
    path = record(
        "allocator",
        {
            "what": f"worlds:two_rooms, {arguments.steps} steps, one thread: CPU-seconds of the process",
            "claims": {"speed.allocator.ratio": {**saved, "unit": "times"}} if control_holds(control) else {},
            "ratio": saved,
            "control": control,
            "valid": control_holds(control),
            "seconds": seconds,
        },
    )
    print(f"written to {path}")


def train(episodes: Path, steps: int, environment: dict[str, str]) -> None:
    """One short training from its start to its end."""
    with tempfile.TemporaryDirectory() as out:
        options = ("--data.root", str(episodes), "--steps", str(steps), "--threads", "1", "--out", f"{out}/run")
        jepakit("train", "worlds:two_rooms", *options, environment=environment)


def jepakit(*words: str, environment: dict[str, str] | None = None) -> None:
    """Runs a verb in a process whose allocator nobody has chosen, but for `environment`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "LD_PRELOAD"))}
    command = [sys.executable, "-m", "jepakit", *words]
    subprocess.run(command, env={**own, **(environment or {})}, check=True, capture_output=True)


def of_children() -> float:
    """CPU-seconds of all processes that were started from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
