"""A training killed with SIGKILL, also while it writes a checkpoint, ends as the one that was not."""

import multiprocessing
import time
from pathlib import Path

from benchmarks.sigkill import count_lines, recipe, survive, train


def test_killed_runs_end_with_identical_weights(tmp_path):
    """`python -m benchmarks.sigkill` does the same with twenty kills."""
    found = survive(tmp_path, kills=4, seed=1)
    assert found.identical
    assert found.kills == 4
    assert found.inside >= 1


def test_a_killed_run_leaves_no_workers_behind(tmp_path):
    process = multiprocessing.get_context("forkserver").Process(target=train, args=(tmp_path, recipe(kills=50)))
    process.start()
    wait_until(lambda: count_lines(tmp_path) > 2 or not process.is_alive())
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.join()
    assert workers
    wait_until(lambda: not any(alive(worker) for worker in workers))


def alive(pid: str) -> bool:
    """Whether a process runs; a dead one that nobody has buried yet does not."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true, patience=120.0):
    """Returns as soon as it is so; fails if it never is."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < patience
        time.sleep(0.05)
