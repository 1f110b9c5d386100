"""Line charts as SVG that follows the width of the page, with their numbers beside them for hover and keyboard.

The SVG is stretched to its box and its strokes are not; every letter is HTML, so that it has one size on any screen.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jepakit.app.report.wording import Number, escape, number, tick

MOST_POINTS = 400
"""Points of a drawn line: more than a chart has pixels make the file large and the line no clearer."""
SIZE = 1000


@dataclass(frozen=True)
class Curve:
    """A line of a chart; `tone` is one of the page's colors. A gap is a value of None."""

    name: str
    x: Sequence[Number]
    y: Sequence[Number | None]
    tone: str = "trained"
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over one axis, and a sentence (HTML) that says how to read them.

    `x_range` is what the axis covers; charts with equal `sync` move their cursors together. `from_zero` makes heights
    comparable, `log` shows decades, `latest` shows the last values where there is no cursor. `write` turns a value
    into text, `mark` a tick.
    """

    title: str
    curves: Sequence[Curve]
    explains: str
    x_range: tuple[Number, Number]
    x_name: str = "step"
    sync: str = "step"
    from_zero: bool = False
    log: bool = False
    latest: bool = True
    write: Callable[[Number], str] = number
    mark: Callable[[Number], str] = tick


@dataclass(frozen=True)
class Axis:
    """Values -> heights between 0 and 1."""

    low: Number
    high: Number
    log: bool

    def place(self, value: Number) -> float:
        """Where a value lies; below the axis counts as its foot."""
        if self.log:
            value, low, high = math.log10(max(value, self.low)), math.log10(self.low), math.log10(self.high)
            return (value - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[Number]:
        """Three to five round values; decades on a logarithmic axis."""
        if not self.log:
            return round_values(self.low, self.high)
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        step = max(1, math.ceil((last - first) / 4))
        return [10.0**power for power in range(last, first - 1, -step)]


def draw(chart: Chart) -> str:
    """The chart as HTML: heading with the latest values, drawing, and the sentence that explains it."""
    curves = [thin(curve) for curve in chart.curves]
    axis = _vertical(chart, curves)
    low, high = chart.x_range
    across = Axis(low, high if high > low else low + 1, log=False)
    lines = "".join(_path(curve, across, axis) for curve in curves)
    rules = "".join(f'<path class="rule" d="M0 {_down(axis.place(at))}H{SIZE}"/>' for at in axis.ticks())
    marks = "".join(_mark_y(at, axis.place(at), chart) for at in axis.ticks())
    marks += "".join(_mark_x(at, across.place(at)) for at in round_values(across.low, across.high))
    points = _points(chart, curves, across, axis)
    return f"""
<figure class="chart" data-sync="{escape(chart.sync)}" tabindex="0" role="group" aria-roledescription="chart"
 aria-label="{escape(_in_words(chart))}" data-points="{escape(json.dumps(points))}">
<figcaption><h3>{escape(chart.title)}</h3>{_legend(chart)}</figcaption>
<div class="plot"><svg viewBox="0 0 {SIZE} {SIZE}" preserveAspectRatio="none" aria-hidden="true">{rules}{lines}</svg>
{marks}<span class="cursor" hidden><b></b></span></div>
<p>{chart.explains}</p></figure>"""


def thin(curve: Curve) -> Curve:
    """At most MOST_POINTS points: the mean of neighbors, and always the last point as it is."""
    size = math.ceil(len(curve.x) / MOST_POINTS)
    if size <= 1:
        return curve
    x, y = [], []
    for start in range(0, len(curve.x) - 1, size):
        values = [value for value in curve.y[start : start + size] if value is not None]
        x.append(sum(curve.x[start : start + size]) / len(curve.x[start : start + size]))
        y.append(sum(values) / len(values) if values else None)
    return Curve(curve.name, [*x, curve.x[-1]], [*y, curve.y[-1]], curve.tone, curve.dashed)


def round_values(low: Number, high: Number) -> list[Number]:
    """Multiples of 1, 2 or 5 times a power of ten, three to six of them between `low` and `high`."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _vertical(chart: Chart, curves: Sequence[Curve]) -> Axis:
    values = [value for curve in curves for value in curve.y if value is not None and math.isfinite(value)]
    if chart.log:
        values = [value for value in values if value > 0]
        low, high = min(values, default=0.1), max(values, default=1.0)
        return Axis(low if low < high else high / 10, high, log=True)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if chart.from_zero:
        low = min(low, 0.0)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return Axis(low if chart.from_zero and low == 0 else low - room, high + room, log=False)


def _path(curve: Curve, across: Axis, up: Axis) -> str:
    parts, pen = [], "M"
    for x, y in zip(curve.x, curve.y, strict=True):
        if y is None or not math.isfinite(y):
            pen = "M"
            continue
        parts.append(f"{pen}{across.place(x) * SIZE:.0f} {_down(up.place(y))}")
        pen = "L"
    dashed = " dashed" if curve.dashed else ""
    single = " point" if len(parts) == 1 else ""
    return f'<path class="line {curve.tone}{dashed}{single}" d="{"".join(parts)}{"h0" if single else ""}"/>'


def _down(share: Number) -> str:
    return f"{(1 - share) * SIZE:.0f}"


def _mark_y(value: Number, place: Number, chart: Chart) -> str:
    return f'<span class="y" style="bottom:{100 * place:.1f}%">{escape(chart.mark(value))}</span>'


def _mark_x(value: Number, place: Number) -> str:
    edge = " first" if place < 0.04 else " last" if place > 0.94 else ""
    return f'<span class="x{edge}" style="left:{100 * place:.1f}%">{tick(value)}</span>'


def _legend(chart: Chart) -> str:
    items = []
    for curve in chart.curves:
        known = [value for value in curve.y if value is not None]
        name = f"<i>{escape(curve.name)}</i> " if len(chart.curves) > 1 else ""
        items.append(
            f'<span class="{curve.tone}{" dashed" if curve.dashed else ""}">{name}'
            f"<output>{escape(chart.write(known[-1])) if known and chart.latest else ''}</output></span>"
        )
    return f'<div class="legend">{"".join(items)}</div>'


def _points(chart: Chart, curves: Sequence[Curve], across: Axis, up: Axis) -> list[dict[str, list]]:
    """What the page's script needs: where the points are, and the text for each."""
    found = []
    for curve in curves:
        pairs = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if y is not None]
        found.append(
            {
                "u": [round(across.place(x), 4) for x, _ in pairs],
                "v": [round(up.place(y), 4) for _, y in pairs],
                "x": [f"{chart.x_name} {tick(round(x))}" for x, _ in pairs],
                "y": [chart.write(y) for _, y in pairs],
            }
        )
    return found


def _in_words(chart: Chart) -> str:
    """The chart for those who cannot see it."""
    sentences = []
    for curve in chart.curves:
        pairs = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if y is not None]
        if pairs:
            (first, start), (last, end) = pairs[0], pairs[-1]
            heights = [y for _, y in pairs]
            sentences.append(
                f"{curve.name}: {chart.write(start)} at {chart.x_name} {tick(first)}, {chart.write(end)} at "
                f"{chart.x_name} {tick(last)}, between {chart.write(min(heights))} and {chart.write(max(heights))}"
            )
    return f"{chart.title}. {'; '.join(sentences)}. Arrow keys read single values."
