"""The page and the table of an arena: who learnt what, and how soon."""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import fmean, stdev
from string import Template
from typing import Any

from jepakit.app.report.charts import Chart, Curve, draw
from jepakit.app.report.layout import facts, section, table
from jepakit.app.report.wording import escape, number
from jepakit.evals.arena import COSTS, Arena, compete, questions, reached
from jepakit.train.checkpoint import write_aside

TABLE = (
    "Test accuracy in percent; ± is the deviation over seeds. Energies are each method's own: how often two crops of "
    "one picture have less than those of two (percent, 50 is chance), and how often the right one of 16 has the least. "
    "Rank is RankMe of the features."
)
SOON = "A linear layer on a few labels, asked on the validation part after each checkpoint: {}."
ENERGY = {"auroc": "energy: AUROC", "retrieval": "energy: 1 of 16"}
"""What is asked of the method's own energy, as the heads of columns."""
TONES = ("trained", "fresh", "other", "alarm", "raw")
Rows = Sequence[Mapping[str, Any]]


def hold(arena: Arena, out: Path, target: float | None, tell: Callable[[str], None] = print) -> str:
    """Runs what is missing of an arena, writes arena.html and table.json to `out`, and returns the table as text.

    `target` is the accuracy of `evals.pace.PACE` on the validation part whose price is asked for; it is fixed before
    anything runs. Raises ValueError for one outside of (0, 1].
    """
    if target is not None and not 0 < target <= 1:
        raise ValueError(f"the target is an accuracy in (0, 1], got {target:g}; 0.8 is 80 %")
    rows = compete(arena, out, tell)
    write_aside(out / "arena.html", page(arena, rows, target))
    write_aside(out / "table.json", json.dumps([*map(dict, rows)], indent=1) + "\n")
    return text_of(rows, target)


def text_of(rows: Rows, target: float | None) -> str:
    """The table in Markdown: percent on the test part, the mean of the seeds and their standard deviation."""
    head = [*heads(rows), *(["until the target"] if target is not None else [])]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name, own in by_name(rows).items():
        cells = cells_of(name, own)
        if target is not None:
            cells.append(price(own, target))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def by_name(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each contestant, the best by the first probe first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["contestant"], []).append(row)
    return dict(sorted(found.items(), key=lambda pair: -fmean(next(iter(row["probes"].values())) for row in pair[1])))


def asked_of(rows: Rows) -> list[str]:
    """The probes, in the order in which they were asked."""
    return list(rows[0]["probes"])


def heads(rows: Rows) -> list[str]:
    """The heads of the table: probes on the test part, the method's own energy, and the rank of its features."""
    return ["contestant", *asked_of(rows), *ENERGY.values(), "rank"]


def cells_of(name: str, own: Rows) -> list[str]:
    """The row of a contestant, in the order of `heads`; a baseline has no energy, and no rank was read of it."""
    probes = [spread([row["probes"][probe] for row in own]) for probe in asked_of(own)]
    if "energy" not in own[0]:
        return [name_of(name), *probes, *("" for _ in ENERGY), ""]
    judged = [spread([row["energy"][key] for row in own]) for key in ENERGY]
    return [name_of(name), *probes, *judged, f"{fmean(row['rank'] for row in own):.1f}"]


def name_of(contestant: str) -> str:
    """What a contestant is called in a table."""
    return {"random_init": "random init", "raw": "raw pixels"}.get(contestant, contestant)


def spread(values: Sequence[float]) -> str:
    """Percent: the mean, and the standard deviation of several seeds."""
    mean = f"{100 * fmean(values):.1f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * stdev(values):.1f}"


def price(rows: Rows, target: float) -> str:
    """What it took until the target, as the mean over the seeds that reached it."""
    found = [cost for row in rows if (cost := reached(row["curve"], target)) is not None]
    if not found:
        return "not reached"
    seconds, flop, samples = (fmean(cost[kind] for cost in found) for kind in COSTS)
    of = "" if len(found) == len(rows) else f" ({len(found)} of {len(rows)} seeds)"
    return f"{seconds:.0f} CPU-seconds, {flop / 1e12:.1f} TFLOP, {samples:,.0f} samples{of}"


def page(arena: Arena, rows: Rows, target: float | None) -> str:
    """One HTML file that needs no network and no other file."""
    here, names = files("jepakit.app.report"), by_name(rows)
    cells = [
        [*map(escape, cells_of(name, own)), f"{fmean(row['flops'] for row in own) / 1e12:.1f} TFLOP"]
        for name, own in names.items()
    ]
    body = table([*heads(rows), "operations"], cells, "what every contestant learnt")
    first, told = next(iter(questions(arena.data))), ""
    if target is not None:
        prices = [[escape(name_of(name)), escape(price(own, target))] for name, own in names.items() if own[0]["curve"]]
        told = table(["contestant", f"until {100 * target:.0f} % are told right"], prices, "price")
    sections = [
        section("table", "What was learnt", TABLE, body),
        section("curve", "How soon", SOON.format(first), draw(_chart(names)) + told),
    ]
    return Template(here.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title="arena",
        nav='<b>jepakit arena</b>\n<a href="#table">Table</a><a href="#curve">Curve</a>',
        style=here.joinpath("page.css").read_text(encoding="utf-8"),
        script=here.joinpath("page.js").read_text(encoding="utf-8"),
        hero=_hero(arena, rows),
        sections="".join(sections),
    )


def _hero(arena: Arena, rows: Rows) -> str:
    best, first = next(iter(by_name(rows))), asked_of(rows)[0]
    settings = {
        "data": escape(arena.data.root), "operations each": f"{arena.tflop:g} TFLOP", "seeds": str(len(arena.seeds)),
        "batch": str(arena.batch), "contestants": str(len(arena.contestants)),
    }  # fmt: skip
    return f"""<div class="words"><p class="kicker">arena</p><h1>{escape(arena.data.root)}</h1>
<p class="verdict">{escape(name_of(best))} is the best at: {escape(first)}.</p></div>{facts(settings)}"""


def _chart(names: Mapping[str, Rows]) -> Chart:
    curves = []
    for place, (name, rows) in enumerate((name, rows) for name, rows in names.items() if rows[0]["curve"]):
        points = list(zip(*(row["curve"] for row in rows), strict=False))
        x = [fmean(point["flop"] for point in each) / 1e12 for each in points]
        y = [100 * fmean(point["score"] for point in each) for each in points]
        curves.append(Curve(name_of(name), x, y, TONES[place % len(TONES)], dashed=place >= len(TONES)))
    most = max((max(curve.x) for curve in curves), default=1.0)
    explains = "The mean over the seeds. Farther left for the same height is cheaper."
    return Chart("told right, percent", curves, explains, (0.0, most), x_name="TFLOP", sync="tflop", write=number)
