"""The doctor verb: which kind of collapse is seen in a run, and what to try."""

import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from jepakit.app.device import open_device
from jepakit.app.diagnosis import Finding, diagnose
from jepakit.app.examination import Examination, Meters, describe_levels, examine
from jepakit.app.report.wording import number, small

HEADS = ("spread", "rank", "alpha-ReQ", "LiDAR", "cosine", "uniformity", "dead")
HEALTHY, FOUND = 0, 1


def visit(folder: Path, checkpoint: int | None = None, device: str = "cpu", trusted: bool = False) -> tuple[str, int]:
    """What to print about a run, and the exit code: 0 healthy, 1 if a kind of collapse was found.

    Raises ValueError for what is no run, has no checkpoint, or whose data cannot be read.
    """
    found = examine(folder, checkpoint, open_device(device), trusted)
    findings = diagnose(found)
    return tell(found, findings), FOUND if any(finding.grave for finding in findings) else HEALTHY


def tell(found: Examination, findings: Sequence[Finding]) -> str:
    """The meters as a table, what else was looked at, and every finding with what to try."""
    title = f"{found.name}, step {found.step:,}: {found.samples} samples, {found.width} features"
    drawn = Table(title=title, title_justify="left")
    for head in ("level", *HEADS):
        drawn.add_column(head, justify="left" if head == "level" else "right")
    for name, meters in describe_levels(found).items():
        drawn.add_row(name, *cells(meters, found.views_differ))
    text = io.StringIO()
    console = Console(file=text, width=110)
    console.print(drawn)
    for name, value in looked_at(found).items():
        console.print(f"{name}: {value}", soft_wrap=True, highlight=False, markup=False)
    console.print()
    for finding in findings:
        word = "FOUND" if finding.grave else "note"
        console.print(f"{word}: {finding.seen}.\n  Try: {finding.advice}.", soft_wrap=True, highlight=False,
                      markup=False)  # fmt: skip
    if not any(finding.grave for finding in findings):
        console.print(conclude(found), soft_wrap=True, highlight=False, markup=False)
    return text.getvalue().rstrip()


def conclude(found: Examination) -> str:
    """The last sentence about a run in which no collapse was found."""
    early = "" if found.armed else " It is still in its warmup, in which the rank of a healthy run falls, too."
    return f"No collapse was found.{early} Only a probe says what was learnt: jepakit probe."


def cells(meters: Meters, views_differ: bool) -> list[str]:
    """The meters of one level as text, in the order of `HEADS`."""
    return [
        small(meters["spread"]), number(meters["rank_me"]), number(meters["alpha_req"]),
        number(meters["lidar"]) if views_differ else "n/a", f"{meters['mean_cosine']:.3f}",
        number(meters["uniformity"]), small(meters["dead"]),
    ]  # fmt: skip


def looked_at(found: Examination) -> dict[str, str]:
    """What was measured besides the layers, by name; what a method or its data do not have is left out."""
    told: dict[str, str] = {}
    if found.moves is not None and found.stirs is not None:
        told["along time"] = f"{small(found.stirs)} of what differs in features, {small(found.moves)} in the clips"
    if found.copying is not None:
        told["predictor"] = (
            f"agrees by {found.copying.prediction:.2f} with what it read at the nearest place; the answers do by "
            f"{found.copying.answer:.2f}"
        )
    if found.lag is not None:
        told["average"] = f"off by {small(found.lag.features)} in its features, {small(found.lag.weights)} in weights"
    if found.told is not None:
        bits = "" if found.z_bits is None else f"; z tells {number(found.z_bits)} bits"
        told["latent variable"] = (
            f"under the past of another sample it makes good {small(found.told)} of the error{bits}"
        )
    if found.embedding is not None and found.views_differ:
        now, fresh = (meters["icc"] for meters in (found.embedding.now, found.embedding.fresh))
        told["embedding"] = f"intraclass correlation of views {now:.2f}, before training {fresh:.2f}"
    if found.deaf is not None:
        told["actions"] = f"the error is {small(found.deaf)} of that with the actions of another sample"
    silent = f"{len(found.unmoved)} of {found.learning}" if found.unmoved else f"none of {found.learning}"
    told["without gradient"] = f"{silent} parameters"
    return told
