"""Takes: whole or not at all, gone on with after a stop, and filmed again where they are broken."""

import numpy as np
import pytest
from stages import FakeStage, make_take

from jepakit.data.robot_takes import collect, list_takes, read_take, take_path


def test_a_take_is_read_as_it_was_saved(tmp_path):
    take = make_take("door-open", 3)
    path = take_path(tmp_path, "door-open", 3)
    take.save(path)
    found = read_take(path)
    for name in ("task", "seed", "success", "steps", "cameras"):
        assert getattr(found, name) == getattr(take, name)
    for name in ("clips", "gripper", "objects"):
        kept, given = getattr(found, name), getattr(take, name)
        assert kept.dtype == given.dtype
        assert np.array_equal(kept, given)
    assert [each.name for each in path.parent.iterdir()] == ["0003.npz"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "missing"])
def test_a_damaged_take_is_named(tmp_path, damage):
    path = tmp_path / "take.npz"
    make_take("push", 0).save(path)
    content = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "flipped":
            middle = len(content) // 2
            path.write_bytes(
                content[:middle] + bytes(255 - byte for byte in content[middle : middle + 8]) + content[middle + 8 :]
            )
        case "other":
            np.savez(path, x=np.zeros(3))
        case "missing":
            path.unlink()
    with pytest.raises(ValueError, match=r"take\.npz is not a whole take"):
        read_take(path)


def test_collecting_records_only_what_is_missing_or_broken(tmp_path):
    stages, told = [], []

    def open_stage(task):
        stages.append(FakeStage(task))
        return stages[-1]

    assert collect(tmp_path, ("push", "reach"), range(3), open_stage, told.append) == []
    assert [(stage.task, stage.recorded, stage.closed) for stage in stages] == [
        ("push", [0, 1, 2], True),
        ("reach", [0, 1, 2], True),
    ]
    take_path(tmp_path, "push", 1).write_bytes(b"broken")
    stages.clear()
    collect(tmp_path, ("push", "reach"), range(4), open_stage, told.append)
    assert [(stage.task, stage.recorded) for stage in stages] == [("push", [1, 3]), ("reach", [3])]
    assert any("recorded again" in line and "0001.npz" in line for line in told)
    assert len(list_takes(tmp_path)) == 8


def test_what_was_filmed_before_a_failure_stays(tmp_path):
    class Breaking(FakeStage):
        def record(self, seed):
            if seed == 2:
                raise RuntimeError("the simulator stops")
            return super().record(seed)

    stage = Breaking("push")
    with pytest.raises(RuntimeError, match="the simulator stops"):
        collect(tmp_path, ("push",), range(4), lambda task: stage, lambda line: None)
    assert stage.closed
    assert [path.stem for path in list_takes(tmp_path)] == ["0000", "0001"]


def test_takes_in_which_the_task_was_not_done_are_named(tmp_path):
    told = []
    failed = collect(tmp_path, ("push",), range(6), lambda task: FakeStage(task, failing=(1, 4)), told.append)
    assert failed == ["push 1", "push 4"]
    assert told == ["push: 6 takes recorded, 0 were there, 2 failed"]
