"""What probes found, the baselines beside each other: dots with 95 % intervals, and the numbers."""

from collections.abc import Sequence

from jepakit.app.report.charts import SIZE, Axis
from jepakit.app.report.layout import folded, missing, section, table
from jepakit.app.report.record import Record
from jepakit.app.report.verdict import titles, tone
from jepakit.app.report.wording import duration, escape, percent
from jepakit.probes.result import Result


def show_headline(record: Record) -> str:
    """The table a reader looks for first: probes by subjects. Before they ran, the last online probe."""
    results = record.results
    if not results:
        return _last_online(record)
    subjects = list(dict.fromkeys(result.subject for result in results))
    rows = []
    for probe in dict.fromkeys(result.probe for result in results):
        found = {result.subject: result for result in results if result.probe == probe}
        best = max(result.value for result in found.values())
        cells = [_cell(found[subject], best) if subject in found else "" for subject in subjects]
        rows.append([escape(titles(probe)[0]), *cells])
    heads = [f'<span class="{tone(subject)}">{escape(subject)}</span>' for subject in subjects]
    return f'<div class="headline">{table([_metric(results), *heads], rows, "Results of the probes")}</div>'


def show_probes(record: Record) -> str:
    """Every probe with its interval, drawn and written, and how each number was made."""
    lede = (
        "The backbone is frozen; small heads are fitted on top of it. The same heads on a network that never learnt "
        "and on raw pixels say how much of the result is learnt. Bars are 95 % intervals on the test split; "
        "the page calls two results different only where their bars do not overlap."
    )
    body = _dots(record.results) if record.results else missing("Not probed yet", f"jepakit probe {record.folder}")
    return section("probes", "What did it learn?", lede, body)


def _dots(results: Sequence[Result]) -> str:
    """All results over one scale, and how each was made."""
    axis = _axis(results)
    groups = "".join(
        _group(probe, [result for result in results if result.probe == probe], axis)
        for probe in dict.fromkeys(result.probe for result in results)
    )
    marks = "".join(f'<span style="left:{100 * axis.place(at):.1f}%">{100 * at:g} %</span>' for at in axis.ticks())
    scale = f'<div class="row scale"><span></span><div class="track">{marks}</div><span></span></div>'
    return f'<div class="dots">{groups}{scale}</div>{folded("How each number was made", _details(results))}'


def _metric(results: Sequence[Result]) -> str:
    return escape(", ".join(dict.fromkeys(result.metric for result in results)))


def _cell(result: Result, best: float) -> str:
    value = f"{100 * result.value:.1f}"
    half = f'<small title="95 % interval">±{50 * (result.high - result.low):.1f}</small>'
    return f"<b>{value}</b> {half}" if result.value == best else f"{value} {half}"


def _last_online(record: Record) -> str:
    if not record.online:
        return ""
    line = record.online[-1]
    found = ", ".join(f"{escape(name)} <b>{percent(value)}</b>" for name, value in line["probe"].items())
    return f'<p class="quick">Online probe at step {line["step"]:,}: {found} on a few held-out samples.</p>'


def _axis(results: Sequence[Result]) -> Axis:
    low, high = min(result.low for result in results), max(result.high for result in results)
    room = 0.08 * (high - low) or 0.05
    return Axis(low - room, high + room, log=False)


def _group(probe: str, results: Sequence[Result], axis: Axis) -> str:
    rows = "".join(_row(result, axis) for result in results)
    labels = ", ".join(dict.fromkeys(f"{result.labels:,}" for result in results))
    return f'<div class="probe"><h3>{escape(titles(probe)[0])} <small>{labels} labels</small></h3>{rows}</div>'


def _row(result: Result, axis: Axis) -> str:
    low, value, high = (round(SIZE * axis.place(at)) for at in (result.low, result.value, result.high))
    rules = "".join(f'<path class="rule" d="M{round(SIZE * axis.place(at))} 0V20"/>' for at in axis.ticks())
    written = f"<b>{100 * result.value:.1f}</b> <small>{100 * result.low:.1f} to {100 * result.high:.1f}</small>"
    described = f"{result.subject}: {percent(result.value)}, between {percent(result.low)} and {percent(result.high)}"
    return (
        f'<div class="row"><span class="{tone(result.subject)}">{escape(result.subject)}</span><div class="track">'
        f'<svg viewBox="0 0 {SIZE} 20" preserveAspectRatio="none" role="img" aria-label="{escape(described)}">'
        f"<title>{escape(described)}</title>{rules}"
        f'<g class="{tone(result.subject)}"><path class="interval" d="M{low} 10H{high}"/>'
        f'<path class="dot" d="M{value} 10h0"/></g></svg></div><span class="value">{written}</span></div>'
    )


def _details(results: Sequence[Result]) -> str:
    head = [
        "Probe",
        "Subject",
        "Interval",
        "Labels",
        "Chosen",
        "Chosen on",
        "Train / validation / test",
        "Unreadable",
        "Seeds",
        "Time",
    ]
    rows = []
    for result in results:
        chosen = ", ".join(f"{name} {_short(value)}" for name, value in result.chosen.items()) or "nothing"
        sizes = " / ".join(f"{result.splits[part]:,}" for part in ("train", "validation", "test"))
        unreadable = sum(map(len, result.unreadable.values()))
        cells = [result.probe, result.subject, result.interval, f"{result.labels:,}", chosen, result.chosen_on, sizes]
        cells += [unreadable, ", ".join(map(str, result.seeds)), duration(result.seconds)]
        rows.append([escape(cell) for cell in cells])
    return table(head, rows, "How each number was made")


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return f"for each of {len(value)} draws"
    return str(value)
