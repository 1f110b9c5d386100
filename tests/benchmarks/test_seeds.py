"""Seeds make one claim: with an interval where there are enough, and with a bound where some have no value."""

import pytest

from benchmarks.seeds import averaged, over_seeds


def priced(*seeds):
    """The claim of seeds, each its value and who arrived."""
    return over_seeds([
        {"seed": seed, "value": value, "unit": "times", "flops": 0, "reached": {"ours": ours, "theirs": theirs}}
        for seed, (value, ours, theirs) in enumerate(seeds)
    ])  # fmt: skip


def test_two_values_stand_as_they_are():
    found = averaged([0.37, 0.24], "accuracy")
    assert (found["low"], found["high"], found["interval"]) == (0.24, 0.37, "both values")
    assert found["value"] == pytest.approx(0.305)


def test_three_values_have_an_interval_that_ends_where_the_unit_does():
    wide = averaged([0.01, 0.02, 0.99], "accuracy")
    assert (wide["low"], wide["high"]) == (0.0, 1.0)
    assert averaged([0.01, 0.02, 0.99], "share (mean IoU)")["high"] == 1.0
    assert averaged([0.9, 0.1, 0.5], "times")["low"] == 0.0
    assert averaged([0.9, 0.1, 0.5], "times")["high"] > 1.0
    assert averaged([0.9, 0.1, -0.5], "correlation")["low"] == -1.0
    assert averaged([0.9, 0.1, -0.5], "bits")["low"] < -1.0
    assert wide["interval"] == "95 %, Student's t"


def test_a_price_is_an_average_where_both_arrived_in_all_seeds():
    found = priced((0.2, True, True), (0.3, True, True), (0.4, True, True))
    assert found["value"] == pytest.approx(0.3)
    assert "bound" not in found
    assert [each["bound"] for each in found["per_seed"]] == [None] * 3


def test_a_price_is_the_bound_of_the_median_where_a_seed_has_a_bound():
    found = priced((0.14, True, False), (0.94, True, True), (None, False, False))
    assert (found["value"], found["bound"], found["low"], found["high"]) == (0.94, "at most", 0.0, 0.94)
    assert [each["bound"] for each in found["per_seed"]] == ["at most", None, "not reached"]
    assert (found["n"], found["seeds"]) == (3, [0, 1, 2])


def test_a_price_may_have_a_lower_bound_alone():
    found = priced((2.0, False, True), (3.0, False, True), (None, False, False))
    assert (found["value"], found["bound"], found["high"]) == (2.0, "at least", None)


def test_bounds_that_meet_are_a_value():
    found = priced((0.14, True, False), (0.5, True, True), (2.0, False, True))
    assert (found["value"], found["bound"]) == (0.5, None)


def test_what_no_seed_tells_has_no_value():
    found = priced((0.14, True, False), (None, False, False))
    assert (found["value"], found["bound"], found["high"]) == (None, "not reached", None)
