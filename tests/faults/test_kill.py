"""A training killed with SIGKILL, also while it writes a checkpoint, ends as the one that was not."""

from benchmarks.sigkill import survive


def test_killed_runs_end_with_identical_weights(tmp_path):
    """`python -m benchmarks.sigkill` does the same with twenty kills."""
    found = survive(tmp_path, kills=4, seed=1)
    assert found.identical
    assert found.kills == 4
    assert found.inside >= 1
