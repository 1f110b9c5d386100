"""How a measurement is taken and written down, so that every figure under results/ can be traced and repeated."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
CONTROL_LIMIT = 0.03


def interleave(
    sides: Mapping[str, Callable[[], object]],
    rounds: int,
    warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds that each side took in each round, by `clock`.

    All sides run once in every round, in an order that rotates by one, so that a machine that gets slower or busier
    (or a cache left warm by the neighbor) hits every side alike. `warmup` rounds run first and are not counted.
    """
    if rounds < 1:
        raise ValueError(f"a measurement needs at least one round, got {rounds}")
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warmup, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            start = clock()
            sides[name]()
            if number >= 0:
                seconds[name].append(clock() - start)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    """How many times faster the second side is, round by round: the median with the 5th and 95th percentile."""
    if len(slow) != len(fast) or not slow:
        raise ValueError(f"a ratio needs two lists of equal length, got {len(slow)} and {len(fast)} rounds")
    quotients = torch.tensor([a / b for a, b in zip(slow, fast, strict=True)], dtype=torch.float64)
    low, high = torch.quantile(quotients, torch.tensor([0.05, 0.95], dtype=torch.float64)).tolist()
    return {"value": statistics.median(quotients.tolist()), "low": low, "high": high, "n": len(slow)}


def control_holds(control: Mapping[str, float]) -> bool:
    """Whether the ratio of a side to itself is within 3 % of one; if not, the machine was too busy to compare."""
    return abs(control["value"] - 1) <= CONTROL_LIMIT


def record(name: str, payload: Mapping[str, Any]) -> Path:
    """Writes `payload`, with the command, git revision, machine and date, to results/benchmarks/NAME.json."""
    body = {**payload, **origin(_command())}
    path = ROOT / "results" / "benchmarks" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=2) + "\n")
    return path


def origin(command: str) -> dict[str, Any]:
    """Where a figure comes from: the command that gives it again, the code, the machine and the day."""
    return {
        "command": command,
        "git": _revision(),
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _cpu_model() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _revision() -> str:
    """The commit, with "-dirty" behind it where anything but results differs from it."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude,top)results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def _command() -> str:
    """The command line without the folders of this machine: `python -m benchmarks.loading --rounds 20`."""
    script = Path(sys.argv[0]).resolve()
    if script.is_relative_to(ROOT):
        module = ".".join(script.relative_to(ROOT).with_suffix("").parts)
        return " ".join(["python -m", module, *sys.argv[1:]])
    return " ".join([script.name, *sys.argv[1:]])
