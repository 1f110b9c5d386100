"""Trains in a folder until its disk is full, makes room and goes on: python fill_disk.py FOLDER. Prints JSON.

Started by test_full_disk.py, where FOLDER is a small file system of its own.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from tiny_engine import Points, Tiny

from jepakit.train.checkpoint import folders, latest
from jepakit.train.fit import fit
from jepakit.train.run import Keep, Run
from jepakit.train.stops import CannotWrite
from jepakit.train.watch import Watch

RUN = Run(
    model=Tiny(dim=32), data=Points(), steps=40, batch=8, workers=0, threads=1, device="cpu", sinks=(), log_every=1,
    keep=Keep(every=1, forever=1), watch=Watch(action="off"),
)  # fmt: skip


def main(folder: Path) -> None:
    """What was said, what was left on the disk, and whether going on gave what an undisturbed run gives."""
    out, ballast = folder / "out", folder / "ballast"
    ballast.write_bytes(bytes(free(folder) - 300_000))
    sentence, whole = "", None
    try:
        fit(RUN, out)
    except CannotWrite as problem:
        sentence = str(problem)
        whole = latest(out)
    found = {
        "sentence": sentence,
        "last": whole.name if whole else None,
        "newest_is_whole": whole == folders(out)[-1],
        "leftovers": [path.name for path in out.glob(".step-*")],
    }
    ballast.unlink()
    resumed = fit(RUN, out, resume=True).state_dict()
    undisturbed = fit(replace(RUN, keep=Keep(every=1000)), folder / "undisturbed").state_dict()
    found["identical"] = all(torch.equal(value, undisturbed[name]) for name, value in resumed.items())
    print(json.dumps(found))


def free(folder: Path) -> int:
    """Bytes that can still be written."""
    about = os.statvfs(folder)
    return about.f_bavail * about.f_frsize


if __name__ == "__main__":
    main(Path(sys.argv[1]))
