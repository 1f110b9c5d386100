"""What a mark costs is read from curves, as a share or as a bound, and the mark is above what nobody trained."""

import json
from dataclasses import replace

import pytest

from benchmarks import arena, cells
from benchmarks.seeds import over_seeds


def write_curve(name, scores):
    """The raw file of a training that told so much right after each of equally long parts."""
    points = [
        {"step": step, "score": score, **dict.fromkeys(arena.COSTS, float(step))} for step, score in enumerate(scores)
    ]
    path = cells.path_of(replace(arena.cells()["arena.ijepa_over_mae.seed0"], name=f"arena.{name}.seed0"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"curve": points}))


@pytest.mark.parametrize(
    ("ours", "theirs", "bound", "value"),
    [((0.7, 0.8, 0.8), (0.7, 0.7, 0.8), None, 0.5), ((0.7, 0.8, 0.8), (0.7, 0.7, 0.7), "at most", 0.5),
     ((0.7, 0.7, 0.7), (0.7, 0.8, 0.8), "at least", 2.0), ((0.7, 0.7, 0.7), (0.7, 0.7, 0.7), "not reached", None)],
)  # fmt: skip
def test_a_price_is_a_share_or_a_bound(tmp_path, monkeypatch, ours, theirs, bound, value):
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    cell = arena.cells()["arena.ijepa_over_mae.seed0"]
    assert cell.claims["efficiency.ijepa_over_mae.seconds"] == "cpu_seconds"
    with pytest.raises(ValueError, match=r"run arena\.ijepa\.seed0 first"):
        arena.price(cell)
    write_curve("ijepa", ours)
    write_curve("mae", theirs)
    found = arena.price(cell)
    assert found["cpu_seconds"] == value
    claim = over_seeds([{**found, "value": found["cpu_seconds"], "seed": 0, "unit": "times"}])
    assert (claim.get("bound"), claim["value"]) == (bound, value)


def test_all_that_have_a_price_are_trained():
    found = arena.cells()
    for name in ("ijepa", *arena.RIVALS):
        assert f"arena.{name}.seed0" in found
    assert found["arena.ijepa.seed0"].run.keep.forever == found["arena.ijepa.seed0"].run.keep.every


def test_labels_train_with_as_many_operations_as_a_contestant_has(monkeypatch):
    small = replace(arena.SCENES, data=replace(arena.SCENES.data, scenes=replace(
        arena.SCENES.data.scenes, train=432, validation=144, test=144)), tflop=0.2, batch=8)  # fmt: skip
    monkeypatch.setitem(arena.ARENAS, "scenes", small)
    found = arena.supervised(arena.cells()["scenes.supervised.seed1"])
    assert set(found) == {"count", "distance", "flops", "results"}
    assert all(flops == pytest.approx(0.2e12, rel=0.01) for flops in found["flops"].values())
    assert [row["labels"] for row in found["results"]] == [432, 432]
