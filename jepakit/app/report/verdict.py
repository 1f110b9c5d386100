"""The sentences at the top: did it collapse, and is it better than a network that never learnt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from jepakit.app.report.record import Record
from jepakit.app.report.sight import Sight
from jepakit.app.report.wording import number
from jepakit.probes import suite
from jepakit.probes.rank import rank_me
from jepakit.probes.result import Result

State = Literal["healthy", "warned", "collapsed", "unknown"]
Tone = Literal["trained", "fresh", "raw"]


TITLES = {
    "knn": ("Nearest neighbors (kNN)", "nearest neighbors"),
    "logistic": ("Logistic regression", "logistic regression"),
    "linear": ("Linear", "a linear head"),
    "attentive1": ("Attentive, 1 block", "an attentive head"),
    "attentive4": ("Attentive, 4 blocks", "an attentive head of 4 blocks"),
    "lowshot12": ("12 labels a class", "12 labels a class"),
    "lowshot1%": ("1 % of the labels", "1 % of the labels"),
    "lowshot10%": ("10 % of the labels", "10 % of the labels"),
    "finetune": ("Fine-tuned", "fine-tuning"),
}
"""What a probe is called in a heading, and inside of a sentence, by the name that its results have."""


@dataclass(frozen=True)
class Verdict:
    """`headline` says in one sentence whether the run collapsed, `more` what else a reader should know first."""

    state: State
    headline: str
    more: tuple[str, ...]


def judge(record: Record, sight: Sight | None) -> Verdict:
    """The verdict on a run, from its rank meters, its alarm and its probes."""
    state, headline = _collapse(record, sight)
    more = [
        *_progress(record),
        *_before(record, sight),
        *_against(record.results, suite.RANDOM),
        *_against(record.results, suite.PIXELS),
    ]
    return Verdict(state, headline, tuple(more))


def tone(subject: str) -> Tone:
    """The color of a subject of the probes: the same on the whole page."""
    if subject == suite.RANDOM:
        return "fresh"
    return "raw" if subject == suite.PIXELS else "trained"


def titles(probe: str) -> tuple[str, str]:
    """What a probe is called in a heading, and inside of a sentence; a probe of your own keeps its name."""
    return TITLES.get(probe, (probe, probe))


def _collapse(record: Record, sight: Sight | None) -> tuple[State, str]:
    width = f" of {sight.trained.pooled.shape[1]}" if sight is not None else ""
    if not record.readings:
        if sight is None:
            return "unknown", "Not known whether it collapsed: no rank was read while it trained."
        rank = number(rank_me(sight.trained.pooled))
        return "unknown", f"The rank was not watched; on held-out {sight.word}s it is {rank}{width} at the end."
    last, limit = record.readings[-1], record.limits()[-1]
    rank = last["watch"]["rank_me"]
    seen = f"effective rank {number(rank)}{width}"
    if last["step"] < record.armed_from:
        return "unknown", f"No verdict yet: {seen} at step {last['step']:,}, and the alarm listens after warmup."
    state: State = "collapsed" if record.alarm is not None else "warned"
    word = "Collapsed" if record.alarm is not None else "Collapsing"
    if rank < limit:
        return state, f"{word}: {seen}, below the alarm at {number(limit)}."
    if record.sign is not None:
        what, how = record.sign
        return state, f"{word}: {seen}, but of the {what} {how}."
    if record.alarm is not None:
        return "warned", f"The alarm rang on the way, and its meters recovered: {seen} at the end."
    return "healthy", f"Did not collapse: {seen}, where the alarm would ring below {number(limit)}."


def _progress(record: Record) -> Iterable[str]:
    if record.done < record.steps:
        yield f"It is at step {record.done:,} of {record.steps:,}: an unfinished run."
    if record.alarm is not None:
        yield f"The alarm said: {record.alarm}."


def _before(record: Record, sight: Sight | None) -> Iterable[str]:
    """The rank beside the untrained network's: a healthy rank that is not higher deserves a word."""
    if sight is None:
        return
    trained, fresh = rank_me(sight.trained.pooled), rank_me(sight.fresh.pooled)
    than = "more" if trained > fresh else "fewer"
    yield (
        f"Its features of held-out {sight.word}s use {than} directions than the same network before training: "
        f"{number(trained)} against {number(fresh)}."
    )


def _against(results: Sequence[Result], rival: str) -> Iterable[str]:
    """Which probes tell the trained backbone from a baseline; intervals that overlap tell nothing."""
    found: dict[str, list[str]] = {"above": [], "below": [], "not told apart from": []}
    for trained in results:
        rivals = [other for other in results if other.probe == trained.probe and other.subject == rival]
        if tone(trained.subject) != "trained" or not rivals:
            continue
        low, high = rivals[0].low, rivals[0].high
        word = "above" if trained.low > high else "below" if trained.high < low else "not told apart from"
        found[word].append(titles(trained.probe)[1])
    parts = [f"{word} {rival} by {join(names)}" for word, names in found.items() if names]
    if parts:
        sentence = "; ".join(parts)
        yield f"{sentence[0].upper()}{sentence[1:]}."


def join(names: Sequence[str]) -> str:
    """ "kNN, linear and attentive"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
