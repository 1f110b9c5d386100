"""The same probes on a backbone, on a randomly initialised one and on raw pixels, side by side.

No figure of a backbone means anything without the other two, so that they cannot be left out.
"""

import io
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table

from jepakit.probes.features import Encoder
from jepakit.probes.result import BEST_ON_TEST, Probe, Result
from jepakit.probes.splits import Labeled, Splits
from jepakit.probes.subject import Subject

RANDOM, PIXELS = "random init", "raw pixels"
NAMED = 3
"""So many unreadable samples of a split are named under the table; the file of results names all."""


def measure(
    backbone: Encoder,
    random_init: Callable[[int], Encoder],
    data: Labeled,
    probes: Sequence[Probe],
    seed: int,
    name: str = "I-JEPA",
    tell: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Every probe on the backbone (called `name`), on `random_init(seed)` and on raw pixels.

    `tell` hears of each result as soon as it is there. Raises ValueError if the data has no labels or no test split, or
    if two probes have one name.
    """
    names = [probe.name for probe in probes]
    if len(set(names)) < len(names):
        raise ValueError(f"two probes have the same name, so their figures could not be told apart: {', '.join(names)}")
    splits, results = Splits.of(data), []
    for subject in _subjects(backbone, random_init, splits, seed, name):
        for probe in probes:
            results.append(probe.measure(subject, seed))
            tell(results[-1])
    return results


def table(results: Sequence[Result]) -> str:
    """The results as text: a row a probe, a column a subject, percent with its 95 % interval."""
    subjects = list(dict.fromkeys(result.subject for result in results))
    drawn = Table(title=" vs ".join(subjects), caption="test accuracy in percent, with its 95 % interval")
    for head in ("probe", "labels", *subjects):
        drawn.add_column(head, justify="left" if head == "probe" else "right")
    for probe in dict.fromkeys(result.probe for result in results):
        row = {result.subject: result for result in results if result.probe == probe}
        labels = next(iter(row.values())).labels
        drawn.add_row(probe, f"{labels:,}", *(_cell(row[name]) if name in row else "" for name in subjects))
    text = io.StringIO()
    console = Console(file=text, width=120)
    console.print(drawn)
    for result in results:
        if BEST_ON_TEST in result.chosen:
            console.print(
                f"{result.probe}, {result.subject}: the best head of the grid by the test split itself, which is what "
                f"the released evaluation of V-JEPA 2 reports, has {100 * result.chosen[BEST_ON_TEST]:.1f}"
            )
    for line in _left_out(results):
        console.print(line, markup=False, soft_wrap=True)
    return text.getvalue()


def _left_out(results: Sequence[Result]) -> Iterable[str]:
    """A line for each split that has samples which could not be read: how many, which, and why."""
    for split in dict.fromkeys(split for result in results for split in result.unreadable):
        found: dict[str, str] = {}
        for result in results:
            told = (result.reasons or result.unreadable)[split]
            found |= dict(zip(result.unreadable[split], told, strict=True))
        if found:
            more = f"; and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
            named = "; ".join(list(found.values())[:NAMED])
            yield f"left out of {split}, for it could not be read ({len(found):,}): {named}{more}"


def _subjects(
    backbone: Encoder, random_init: Callable[[int], Encoder], splits: Splits, seed: int, name: str
) -> Iterable[Subject]:
    """One after the other, so that the features of one are let go before those of the next are computed."""
    yield Subject(name, backbone, splits)
    yield Subject(RANDOM, random_init(seed), splits)
    yield Subject(PIXELS, None, splits)


def _cell(result: Result) -> str:
    return f"{100 * result.value:.1f} [{100 * result.low:.1f}, {100 * result.high:.1f}]"
