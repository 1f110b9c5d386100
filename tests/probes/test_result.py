"""Intervals against closed forms, and results that survive their file."""

import json
import math

import pytest
import torch
from probed import Projection, pictures

from jepakit.probes.knn import Knn
from jepakit.probes.result import Outcome, Result, conclude, over_repeats, read, wilson, write
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject


@pytest.mark.parametrize(("correct", "count"), [(8440, 10_000), (0, 20), (20, 20), (3, 7)])
def test_wilson_is_the_closed_form(correct, count):
    z, share = 1.959963984540054, correct / count
    center = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    assert wilson(correct, count) == pytest.approx((center - half, center + half), abs=1e-9)


def test_interval_over_repeats_is_students():
    values = [0.7, 0.72, 0.75, 0.69, 0.74]
    deviation = math.sqrt(sum((value - 0.72) ** 2 for value in values) / 4)
    half = 2.7764451 * deviation / math.sqrt(5)
    assert over_repeats(values) == pytest.approx((0.72 - half, 0.72 + half), abs=1e-7)
    with pytest.raises(ValueError, match="at least 2"):
        over_repeats([0.5])


def measured(parts, name="jepa"):
    return Knn(k=3).measure(Subject(name, Projection(), Splits.of(parts)), seed=0)


def test_results_come_back_from_their_file(parts, tmp_path):
    results = [measured(parts), measured(parts, "random init")]
    path = tmp_path / "deep" / "probes.json"
    write(results, path)
    assert read(path) == results
    assert [each.name for each in path.parent.iterdir()] == ["probes.json"]


def test_unreadable_files_are_named_counted_and_not_in_the_sizes(parts, tmp_path):
    parts.parts["train"] = pictures(40, seed=1, broken=(3, 50))
    parts.parts["test"] = pictures(30, seed=2, broken=(5,))
    result = measured(parts)
    assert result.splits == {"train": 118, "validation": 60, "test": 89}
    assert result.unreadable == {"train": ("picture 3", "picture 50"), "validation": (), "test": ("picture 5",)}
    assert result.reasons["test"] == ("picture 5 cannot be read",)
    write([result], tmp_path / "probes.json")
    assert json.loads((tmp_path / "probes.json").read_text())[0]["unreadable_count"] == 3


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("no")
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "c.json").write_text('[{"probe": "knn"}]')
    for name, reason in (("a", "not a file of probe results"), ("b", "a list"), ("c", "lacks")):
        with pytest.raises(ValueError, match=reason):
            read(tmp_path / f"{name}.json")


def test_numbers_that_are_none_are_refused(parts):
    good = measured(parts)
    with pytest.raises(ValueError, match="gave nan"):
        Result(**{**good.__dict__, "value": math.nan})


def test_one_head_is_reported_with_wilson_and_repetitions_with_t(parts):
    subject = Subject("jepa", Projection(), Splits.of(parts))
    outcomes = [
        Outcome(torch.arange(90) % 10 < right, 30, 5, {"C": 0.1 * right}, "validation split") for right in (8, 9)
    ]
    one, two = conclude(Knn(), subject, outcomes[:1], [4], 0.0), conclude(Knn(), subject, outcomes, [4, 5], 0.0)
    assert (one.low, one.high) == wilson(72, 90)
    assert (two.low, two.high) == over_repeats([0.8, 0.9])
    assert one.chosen == {"C": 0.8}
    assert two.chosen == {"each": [{"C": 0.8}, {"C": 0.9}]}
