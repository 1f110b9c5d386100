"""A full disk stops a run with a sentence, leaves the previous checkpoint intact, and the run can go on.

On a real small file system where this machine lets users mount one; and everywhere with the error injected below the
writer, where the operating system would report it.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_engine import Points, Tiny

from jepakit.train.checkpoint import folders, latest
from jepakit.train.fit import fit
from jepakit.train.run import Keep, Run
from jepakit.train.stops import CannotWrite
from jepakit.train.watch import Watch

ROOT = Path(__file__).parents[2]


def in_small_disk(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command where `folder` is a file system of 16 MB, seen by this command only."""
    script = f'mount -t tmpfs -o size=16m none {folder} && exec "$@"'
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *command],
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "train"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def why_no_small_disk(folder: Path) -> str | None:
    if shutil.which("unshare") is None:
        return "there is no unshare"
    tried = in_small_disk(folder, "true")
    return None if tried.returncode == 0 else tried.stderr.strip()


def test_a_small_disk_that_fills_up(tmp_path):
    if reason := why_no_small_disk(tmp_path):
        pytest.skip(f"no small disk can be mounted here ({reason}); the injected error was tested instead")
    done = in_small_disk(
        tmp_path, sys.executable, "-W", "error", str(Path(__file__).with_name("fill_disk.py")), str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert "No space left on device" in found["sentence"]
    assert f"jepakit train --resume {tmp_path}/out" in found["sentence"]
    assert found["last"] is not None
    assert found["newest_is_whole"]
    assert found["leftovers"] == []
    assert found["identical"]


@pytest.mark.parametrize("where", [0, 1, 4, 7])
def test_an_error_injected_below_the_writer(tmp_path, monkeypatch, where):
    """The disk is full at the `where`-th time that bytes are forced onto it while the second checkpoint is written."""
    run = Run(
        model=Tiny(), data=Points(), steps=10, batch=8, workers=0, threads=1, device="cpu", sinks=(), log_every=1,
        keep=Keep(every=5), watch=Watch(action="off"),
    )  # fmt: skip
    undisturbed = fit(run, tmp_path / "undisturbed").state_dict()
    out = tmp_path / "out"
    calls, fsync = [], os.fsync

    def full(handle):
        if folders(out):
            calls.append(handle)
            if len(calls) > where:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match=r"No space left on device.*step-00000005 is intact"):
        fit(run, out)
    monkeypatch.setattr(os, "fsync", fsync)
    assert latest(out) == out / "step-00000005"
    assert list(out.glob(".step-*")) == []
    resumed = fit(run, out, resume=True).state_dict()
    assert all(torch.equal(value, undisturbed[name]) for name, value in resumed.items())
