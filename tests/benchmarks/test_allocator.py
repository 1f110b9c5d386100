"""The benchmark of kept memory: both sides train, and what is compared are the seconds of their processes."""

import json

from benchmarks import allocator, record


def test_it_runs_through(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["allocator", "--rounds", "1", "--steps", "2"])
    allocator.main()
    (file,) = tmp_path.rglob("allocator.json")
    seconds = json.loads(file.read_text())["seconds"]
    assert seconds.keys() == allocator.SIDES.keys()
    assert all(len(times) == 1 and times[0] > 0.5 for times in seconds.values())
