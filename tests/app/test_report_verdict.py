"""Each kind of ending has its own sentence, and a probe is only claimed where the intervals tell it."""

from dataclasses import replace
from typing import get_args

import pytest

from jepakit.app.measure import probe_called
from jepakit.app.report.record import Record, read_record
from jepakit.app.report.verdict import TITLES, judge, titles, tone
from jepakit.probes.names import ProbeName


def with_ranks(record: Record, *ranks: float, alarm: str | None = None) -> Record:
    """The record as if these had been its last ranks, one every three steps to the end."""
    lines = [
        {"step": 12 - 3 * place, "watch": {**record.readings[0]["watch"], "rank_me": rank}}
        for place, rank in enumerate(reversed(ranks))
    ][::-1]
    if alarm is not None:
        lines[-1]["alarm"] = alarm
    return replace(record, readings=tuple(lines))


@pytest.fixture
def record(finished_run) -> Record:
    return read_record(finished_run)


def test_a_healthy_run_did_not_collapse(record):
    verdict = judge(with_ranks(record, 8.0, 12.0, 16.0), None)
    assert verdict.state == "healthy"
    assert verdict.headline == "Did not collapse: effective rank 16.0, where the alarm would ring below 2.40."


def test_a_collapsed_run_says_so_and_what_the_alarm_said(record):
    verdict = judge(with_ranks(record, 16.0, 1.2, 1.1, 1.0, alarm="it collapsed: try this"), None)
    assert verdict.state == "collapsed"
    assert verdict.headline == "Collapsed: effective rank 1.00, below the alarm at 2.40."
    assert "The alarm said: it collapsed: try this." in verdict.more


def test_a_low_rank_before_the_alarm_rings_is_a_warning(record):
    assert judge(with_ranks(record, 16.0, 1.2), None).state == "warned"


def test_a_rank_that_recovered_is_told(record):
    ranks = with_ranks(record, 16.0, 1.0, alarm="low").readings + with_ranks(record, 15.0).readings
    verdict = judge(replace(record, readings=ranks), None)
    assert verdict.state == "warned"
    assert "recovered" in verdict.headline


def test_an_embedding_that_collapsed_alone_is_told(record):
    lines = with_ranks(record, 16.0, 15.0, 15.0).readings
    embedding = {"embedding_rank": 9.0, "embedding_spread": 0.3}
    readings = [
        {**line, "watch": {**line["watch"], **embedding, "embedding_icc": icc}}
        for line, icc in zip(lines, (0.5, 0.4, 0.05), strict=True)
    ]
    assert judge(replace(record, readings=tuple(readings[:2])), None).state == "healthy"
    verdict = judge(replace(record, readings=tuple(readings)), None)
    assert verdict.state == "warned"
    assert "Collapsing: effective rank 15.0, but of the embedding samples differ as views of one do" in verdict.headline


def test_before_the_alarm_listens_there_is_no_verdict(record):
    late = {**record.run, "watch": {**record.run["watch"], "armed": 1.0}, "steps": 100}
    verdict = judge(replace(record, run=late), None)
    assert verdict.state == "unknown"
    assert "It is at step 12 of 100: an unfinished run." in verdict.more


def test_without_readings_nothing_is_claimed(record):
    assert judge(replace(record, readings=()), None).state == "unknown"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.9, 0.95, "Above random init"), (0.1, 0.2, "Below random init"), (0.5, 0.7, "Not told apart from random init")],
)
def test_probes_are_compared_by_their_intervals(record, low, high, word):
    ours, rival, _ = record.results
    ours = replace(ours, value=(low + high) / 2, low=low, high=high)
    rival = replace(rival, value=0.6, low=0.55, high=0.65)
    assert f"{word} by nearest neighbors." in judge(replace(record, results=(ours, rival)), None).more


def test_every_subject_of_the_probes_has_its_color():
    assert [tone(name) for name in ("I-JEPA", "random init", "raw pixels")] == ["trained", "fresh", "raw"]


def test_every_probe_of_the_command_line_has_a_title():
    assert set(TITLES) == {probe_called(name).name for name in get_args(ProbeName)}
    assert titles("mine") == ("mine", "mine")
