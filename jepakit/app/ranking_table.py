"""A ranking as text: the best row first, and whether the scores agree with a probe."""

import io
import math

from rich.console import Console
from rich.table import Table

from jepakit.app.ranking import Ranking, Row, spearman
from jepakit.app.report.wording import number, percent


def tell(ranking: Ranking) -> str:
    """The table, Spearman's correlations with the probe where there is one, and the notes."""
    asked, rows = ranking.asked, ranking.rows
    names = list(dict.fromkeys(name for row in rows for name in row.terms))
    terms = names if len(names) > 1 else []
    drawn = Table(title=f"best first by {asked.by}, on {asked.samples} samples of {asked.views} views at most",
                  title_justify="left")  # fmt: skip
    heads = ["run", "step", "method", "loss", *terms, "RankMe", "LiDAR", "alpha-ReQ"]
    for head in [*heads, *([asked.probe] if asked.probe else [])]:
        drawn.add_column(head, justify="left" if head in ("run", "method") else "right", overflow="fold")
    for row in rows:
        cells = [row.run, f"{row.step:,}", row.method, shown(row.loss), *(shown(_term(row, name)) for name in terms),
                 number(row.rankme), number(row.lidar), number(row.alpha_req)]  # fmt: skip
        drawn.add_row(*cells, *([] if row.probe is None else [percent(row.probe)]))
    text = io.StringIO()
    console = Console(file=text, width=120)
    console.print(drawn)
    agreement = spearman(rows)
    if agreement:
        told = ", ".join(f"{score} {value:.2f}" for score, value in agreement.items())
        console.print(f"Spearman correlation with {asked.probe}: {told}", highlight=False)
    for note in ranking.notes:
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)
    return text.getvalue().rstrip()


def shown(value: float | None) -> str:
    """A number that may be missing."""
    return "n/a" if value is None or not math.isfinite(value) else number(value)


def _term(row: Row, name: str) -> float | None:
    return row.terms[name] if name in row.terms else None  # noqa: SIM401  (None is told apart from a number)
