"""The sides of the benchmark compute one thing, and a slope is the exponent of a power law."""

import pytest
import torch

from benchmarks.sigreg import MAKERS, differentiate, embeddings, least_of, slope


@pytest.mark.parametrize("side", ["complex", "jepakit"])
def test_sides_agree_with_the_direct_form(side):
    z = embeddings(40, 8)
    value, gradient = differentiate(MAKERS[side](16), z)
    expected, of_direct = differentiate(MAKERS["direct"](16), z)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, of_direct, rtol=0, atol=1e-6)


def test_a_slope_is_the_exponent():
    batches = (10, 100, 1000)
    found = slope(batches, [[2 * batch**1.5, 7 * batch**0.5] for batch in batches])
    assert found == pytest.approx({"value": 1.0, "low": 0.5, "high": 1.5, "n": 2})


def test_the_least_is_that_of_the_slowest_size():
    rows = {name: {"ratios": {"direct": {"value": value}}} for name, value in (("a", 3.0), ("b", 2.5), ("c", 9.0))}
    assert least_of(rows) == {"value": 2.5}
