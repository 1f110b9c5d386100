"""How long `make demo` takes after installation: its three commands, as a user runs them."""

import shutil
import subprocess
import sys
import time

from benchmarks.record import ROOT, record

OUT = ROOT / "runs" / "demo"


def main() -> None:
    """Runs the demo from nothing and writes results/benchmarks/demo.json."""
    shutil.rmtree(OUT, ignore_errors=True)
    seconds = {}
    for verb, *words in (["train", "images:demo", "--out", str(OUT)], ["probe", str(OUT)], ["report", str(OUT)]):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "jepakit", verb, *words], check=True, cwd=ROOT)
        seconds[verb] = time.perf_counter() - started
    total = sum(seconds.values())
    claim = {"value": total, "low": total, "high": total, "n": 1, "unit": "seconds"}
    print(record("demo", {"seconds": seconds, "claims": {"demo.seconds": claim}}))


if __name__ == "__main__":
    main()
