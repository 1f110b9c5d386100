"""Encoders are timed only where they say the same, and the table holds what was found."""

import pytest
import torch

from benchmarks.inference import compare, show


def test_sides_that_differ_are_not_timed():
    x = torch.ones(3)
    with pytest.raises(AssertionError, match=r"differ by 1\.0e-03"):
        compare(lambda: x + 1e-3, lambda: x, 1e-4, 3, {})


def test_equal_sides_are_timed_in_the_same_rounds(capsys):
    ran = []

    def side(name):
        return lambda: ran.append(name) or torch.ones(3)

    found, seconds = compare(side("theirs"), side("ours"), 1e-4, 3, {"smaller": side("smaller")})
    assert found["difference"] == 0
    assert {name: len(times) for name, times in seconds.items()} == {
        "transformers": 3, "jepakit": 3, "jepakit again": 3, "smaller": 3,
    }  # fmt: skip
    assert ran.count("smaller") == 5
    assert ran.count("ours") == 1 + 2 * ran.count("smaller")
    assert found["ratio"]["n"] == 3
    show("Clips", found, [("smaller", "1", "2.00 as in float32", "cosine 1")])
    printed = capsys.readouterr().out
    assert "Clips" in printed
    assert "smaller" in printed
    assert "control: " in printed
