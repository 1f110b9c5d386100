"""All measurements of speed and memory, one after the other: `python -m benchmarks`. A quiet machine takes an hour.

Each is a process of its own, so that none inherits the memory or the threads of another. Learning is measured by
`python -m benchmarks.learning`, and killed runs by `python -m benchmarks.sigkill`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.record import ROOT

NAMES = (
    "masks",
    "masks_3d",
    "encoder",
    "video_encoder",
    "loading",
    "allocator",
    "decode",
    "tiny_step",
    "ijepa_step",
    "vjepa2_step",
    "memory",
    "clip_memory",
    "watching",
    "products",
    "sigreg",
    "ranks",
    "lqr",
    "plan",
    "pose",
    "cem_horizon2",
    "worlds",
    "training",
)
FOLDER = ROOT / "results" / "benchmarks"


def main() -> None:
    """Runs them, then prints the claims of all. Ends with 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, help=f"some of {', '.join(NAMES)}; all if none is named")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(NAMES)):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    failed = [name for name in arguments.names if not succeeds(name)]
    show(FOLDER)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def succeeds(name: str) -> bool:
    """Runs one benchmark and says whether it came to its end."""
    print(f"\n{name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=False).returncode == 0


def show(folder: Path) -> None:
    """Prints every claim that was measured. A measurement whose control was off makes no claim."""
    table = Table(title="Measured")
    for column in ("claim", "value", "5 % to 95 %", "unit"):
        table.add_column(column)
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text())
        if not found.get("valid", True):
            table.add_row(path.stem, "", "", "the machine was too busy: measure again")
        for name, claim in found.get("claims", {}).items():
            interval = f"{claim['low']:.3g} to {claim['high']:.3g}"
            table.add_row(name, f"{claim['value']:.3g}", interval, claim["unit"])
    Console().print(table)


if __name__ == "__main__":
    main()
