"""The health of a run: what a doctor found, layer by layer, with what to try."""

from jepakit.app.diagnosis import diagnose
from jepakit.app.doctor import HEADS, cells, conclude, looked_at
from jepakit.app.examination import Examination, describe_levels
from jepakit.app.report.layout import facts, missing, section, table
from jepakit.app.report.record import Record
from jepakit.app.report.wording import escape


def show_health(record: Record, found: Examination | None, why: str | None) -> str:
    """Every finding with what to try, the meters of each level, and what else was looked at.

    `why` says why nothing could be examined, where nothing could.
    """
    lede = (
        "Which kind of collapse is there, if any? The backbone that is kept is asked level by level, on samples that "
        "it learns from; the predictor, the gradients and the average, if there is one, on a batch of them."
    )
    if found is None:
        trust = " --trusted" if why is not None and "--trusted" in why else ""
        body = missing(why or "There is nothing to examine", f"jepakit doctor {record.folder}{trust}")
        return section("health", "Is it healthy?", lede, body)
    return section("health", "Is it healthy?", lede, _findings(found) + _levels(found) + facts(_else(found)))


def _findings(found: Examination) -> str:
    findings = diagnose(found)
    told = [
        f"<p><strong>{'Found' if finding.grave else 'Note'}:</strong> {escape(finding.seen)}. "
        f"Try: {escape(finding.advice)}.</p>"
        for finding in findings
    ]
    if not any(finding.grave for finding in findings):
        told.append(f"<p>{escape(conclude(found))}</p>")
    return "".join(told)


def _levels(found: Examination) -> str:
    rows = [[name, *cells(meters, found.views_differ)] for name, meters in describe_levels(found).items()]
    return table(["level", *HEADS], rows, "Meters of every level")


def _else(found: Examination) -> dict[str, str]:
    return {name: escape(value) for name, value in looked_at(found).items()}
