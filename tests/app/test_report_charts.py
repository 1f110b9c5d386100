import html
import json
import re

import pytest

from jepakit.app.report.charts import MOST_POINTS, SIZE, Axis, Chart, Curve, draw, round_values, thin


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 900, [0, 200, 400, 600, 800]), (0.1, 0.52, [0.1, 0.2, 0.3, 0.4, 0.5]), (-3, 7, [-2, 0, 2, 4, 6])],
)
def test_ticks_are_round_and_inside(low, high, expected):
    assert round_values(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("span", [1e-6, 0.37, 1.0, 9.99, 12345.0])
def test_there_are_always_a_few_ticks(span):
    assert 3 <= len(round_values(0, span)) <= 6


def test_a_logarithmic_axis_marks_decades_at_equal_distances():
    axis = Axis(1e-4, 1.0, log=True)
    assert axis.ticks() == pytest.approx([1, 0.1, 0.01, 0.001, 0.0001])
    assert [axis.place(tick) for tick in axis.ticks()] == pytest.approx([1, 0.75, 0.5, 0.25, 0])


def test_thinning_keeps_the_mean_and_the_last_point():
    count = 10 * MOST_POINTS
    curve = thin(Curve("loss", range(count), [float(value) for value in range(count)]))
    assert len(curve.x) <= MOST_POINTS + 1
    assert (curve.x[0], curve.y[0]) == (4.5, 4.5)
    assert (curve.x[-1], curve.y[-1]) == (count - 1, count - 1)


def test_a_short_curve_is_drawn_as_it_is():
    curve = Curve("loss", [1, 2], [3.0, 4.0])
    assert thin(curve) is curve


def test_a_drawn_line_goes_where_its_values_are_and_breaks_at_gaps():
    chart = Chart("Rank", [Curve("rank", [0, 5, 7, 10], [0.0, 10.0, None, 10.0])], "", (0, 10), from_zero=True)
    page = draw(chart)
    line = re.search(r'class="line trained" d="([^"]+)"', page)
    assert line is not None
    top = round(SIZE * (1 - 10 / 10.6))  # 6 % of room above the highest value
    assert line[1] == f"M0 {SIZE}L{SIZE // 2} {top}M{SIZE} {top}"


def test_the_points_for_the_cursor_carry_their_text():
    page = draw(Chart("Rank", [Curve("rank", [0, 10], [1.0, 2.345])], "", (0, 20)))
    points = json.loads(html.unescape(re.search(r'data-points="([^"]+)"', page)[1]))
    assert points[0]["x"] == ["step 0", "step 10"]
    assert points[0]["y"] == ["1.00", "2.35"] or points[0]["y"] == ["1.00", "2.34"]
    assert points[0]["u"] == [0.0, 0.5]


def test_a_chart_can_be_read_without_seeing_it_and_its_names_are_escaped():
    page = draw(Chart("<b>", [Curve("a&b", [1, 2], [3.0, 1.0])], "", (1, 2)))
    assert "<b>" not in page.split("</h3>")[0].replace('<span class="cursor" hidden><b></b>', "")
    assert 'aria-label="&lt;b&gt;. a&amp;b: 3.00 at step 1, 1.00 at step 2, between 1.00 and 3.00.' in page


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [None, None], [float("nan"), 1.0]])
@pytest.mark.parametrize("log", [False, True])
def test_strange_curves_are_drawn_without_an_error(values, log):
    assert "<svg" in draw(Chart("Odd", [Curve("odd", range(len(values)), values)], "", (0, 0), log=log))
