import pytest

from jepakit.app.report.wording import duration, escape, number, percent, scaled, small, tick


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7.6153, "7.62"),
        (346.2, "346"),
        (12345.6, "12,346"),
        (0.01234, "0.0123"),
        (1e-6, "1e-06"),
        (-2.5, "-2.50"),
    ],
)
def test_numbers_have_three_digits_that_matter(value, text):
    assert number(value) == text


def test_units_follow_the_size():
    assert [duration(value) for value in (0.2, 52, 204, 9000)] == ["200 ms", "52 s", "3.4 min", "2.5 h"]
    assert scaled(6.48e12, "FLOP") == "6.48 TFLOP"
    assert percent(0.8434) == "84.3 %"
    assert [tick(value) for value in (2000, 0.15, 0)] == ["2,000", "0.15", "0"]


def test_text_is_safe_in_quoted_attributes():
    assert escape("\"<&'") == "&quot;&lt;&amp;&#x27;"


def test_a_share_is_readable_however_small_or_large():
    assert [small(share) for share in (0.00034, 0.0512, 0.31, 1.0, 67.4)] == [
        "0.034 %",
        "5.1 %",
        "31 %",
        "100 %",
        "67 times",
    ]
