"""From what was measured to what is wrong: each finding is a sentence that says what was seen, and what to try."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from jepakit.app.examination import Examination, Meters
from jepakit.app.report.wording import number, percent, small
from jepakit.train.watch import HALF, Watch

Kind = Literal["complete", "dimensional", "time", "copy", "latent", "actions", "gradient", "average", "views"]

SAME = 0.01
"""Less spread than this is a complete collapse. Of pictures and clips, trained networks have 0.08 to 0.8, untrained
ones 0.03 (where initialization is flat) to 0.7, and networks without a stop-gradient 0.0003."""
LEFT = 0.1
"""Nor is it one if so much of the spread is left that the untrained network had: samples that are nearly the same, as
one thing on an even ground is, have nearly the same features in any network."""
DIED = 0.25
"""From this share of dead features on, more than before training, directions were lost. No healthy run had any."""
STANDS_STILL = 0.01
"""Clips of which less than this share differs in time stand still, and tell nothing about features in time."""
TIMELESS = 0.05
"""Features of which so small a part of what moves in the clips is left have lost time. Slow ones keep several times it;
a camera on a tripod already has few moving pixels, so the share is relative to that of the clips."""
REPEATED = 0.95
"""A predictor agrees so well with what it read only if it repeats it; those of healthy runs have 0.25 to 0.88, for
neighbors are alike."""
NEGLECTED = 0.9
"""From here on the past is not needed beside z, or the actions of another sample do as well as the own ones."""
LOST = 1.0
"""An average whose features are farther off than another sample's are is no average of this network any more. Healthy
ones have 0.003 to 0.65 at the end of a run, and more in its first dozens of steps."""

_WATCH = Watch()


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: a kind of collapse, or (`grave` is False) what deserves a look."""

    kind: Kind
    seen: str
    advice: str
    grave: bool = True


def diagnose(found: Examination) -> list[Finding]:
    """What is wrong, the worst first; empty for a healthy run. A complete collapse explains the other kinds."""
    complete = list(_complete(found))
    rest = [] if complete else [_dimensional, _timeless, _copying, _latent, _deaf]
    checks: list[Callable[[Examination], Iterator[Finding]]] = [*rest, _silent, _average, _views]
    others = [finding for check in checks for finding in check(found)]
    return sorted([*complete, *others], key=lambda finding: not finding.grave)


def _complete(found: Examination) -> Iterator[Finding]:
    embedding, what = found.embedding, f"features{_since(found)}"
    if not (seen := _all_alike(what, found.output, found.fresh)) and embedding is not None:
        seen = _all_alike("embedding, while features differ", embedding.now, embedding.fresh)
        icc, alike = embedding.now["icc"], embedding.alike
        if not seen and icc < min(_WATCH.icc, HALF * alike):
            seen = (f"embeddings of samples differ as those of views of one do, while features differ more: "
                    f"intraclass correlation {icc:.2f} (at its highest {alike:.2f})")  # fmt: skip
    if seen:
        yield Finding(
            "complete",
            f"complete collapse: {seen}",
            "stop the gradient into the answers (an average as target), or give embeddings a regularizer; if there is "
            "one, a lower optimizer.peak, a longer warmup, a momentum nearer to 1",
            grave=found.armed,
        )


def _all_alike(what: str, now: Meters, fresh: Meters) -> str:
    """What is to be said where all samples are the same; nothing if they are not."""
    if now["spread"] >= (limit := _least_spread(fresh)):
        return ""
    return (
        f"all samples get the same {what}; {small(now['spread'])} of their squared length differs (before training "
        f"{small(fresh['spread'])}; below {small(limit)} is collapse)"
    )


def _since(found: Examination) -> str:
    """From which level on all samples are the same."""
    same = (number for number, meters in enumerate(found.levels) if meters["spread"] < _least_spread(found.fresh))
    first, count = next(same, None), len(found.levels)
    return "" if first is None or count == 1 else f", from level {first} of {count} on"


def _dimensional(found: Examination) -> Iterator[Finding]:
    output, fresh = found.output, found.fresh
    seen = _few(output, fresh, found.highest, "", found.width)
    if found.embedding is not None:
        embedding = found.embedding
        seen += _few(embedding.now, embedding.fresh, embedding.highest, "of embeddings ", embedding.width)
    if output["dead"] - fresh["dead"] >= DIED:
        seen.append(f"{percent(output['dead'])} of the features are the same for all samples")
    if found.views_differ and output["lidar"] < min(_WATCH.floor, fresh["lidar"]):
        seen.append(f"views of one sample differ as much as samples do (LiDAR {number(output['lidar'])})")
    if seen:
        yield Finding(
            "dimensional",
            f"dimensional collapse: features use few of their directions: {'; '.join(seen)}; alpha-ReQ "
            f"{number(output['alpha_req'])}, uniformity {number(output['uniformity'])}",
            "a slower target or a smaller optimizer.peak; covariance or SIGReg on the embeddings; a larger batch for "
            "contrast; questions that need more than one property of the sample (larger targets, stronger views)",
            grave=found.armed,
        )


def _least_spread(fresh: Meters) -> float:
    """Below this all samples are the same."""
    return min(SAME, LEFT * fresh["spread"])


def _few(now: Meters, fresh: Meters, read: float | None, what: str, width: int) -> list[str]:
    """What is to be said of a rank that is too low."""
    highest = max(fresh["rank_me"], read or 0.0)
    limit = max(_WATCH.share * highest, _WATCH.floor)
    if now["rank_me"] >= limit:
        return []
    return [f"effective rank {what}{number(now['rank_me'])} of {width}, below {number(limit)} "
            f"({_WATCH.share:g} of the highest, {number(highest)})"]  # fmt: skip


def _timeless(found: Examination) -> Iterator[Finding]:
    if found.moves is None or found.stirs is None or found.moves < STANDS_STILL:
        return
    if found.stirs < TIMELESS * found.moves:
        yield Finding(
            "time",
            f"collapse along time: features do not follow what moves: {small(found.stirs)} of what differs in them "
            f"differs in time, and {small(found.moves)} in the clips",
            "targets that reach over a part of time only, or answers of another moment; regularize within clips, too; "
            "clips that last longer, if little happens in them",
        )


def _copying(found: Examination) -> Iterator[Finding]:
    if found.copying is None or found.copying.prediction < REPEATED:
        return
    all_alike = found.copying.answer >= REPEATED
    more = ", and so do the answers: nothing is left to predict" if all_alike else ""
    yield Finding(
        "copy",
        f"the predictor copies its input: what it says agrees by {found.copying.prediction:.3f} with what it read "
        f"next to it{more}",
        "ask about what is farther away: larger masks, a later future; a deeper predictor, or a higher rate",
        grave=not all_alike or found.moves is None or found.moves >= STANDS_STILL,
    )


def _latent(found: Examination) -> Iterator[Finding]:
    if found.told is None or found.told < NEGLECTED:
        return
    bits = "" if found.z_bits is None else f"; z tells {number(found.z_bits)} bits"
    yield Finding(
        "latent",
        f"shortcut through z: the past is ignored, for under that of another sample the best z makes good "
        f"{percent(found.told)} of the error{bits}",
        "limit what z may tell: fewer codes, a higher price, more noise on it, fewer numbers",
    )


def _deaf(found: Examination) -> Iterator[Finding]:
    if found.deaf is None or found.deaf < NEGLECTED:
        return
    yield Finding(
        "actions",
        f"actions are ignored: under those of another sample the error is only {1 / found.deaf:.2f} times the own one",
        "predict farther ahead, where actions matter; data in which the same scene goes on in several ways; check that "
        "actions are scaled to about 1 and belong to the frames",
    )


def _silent(found: Examination) -> Iterator[Finding]:
    if not found.unmoved:
        return
    names, more = ", ".join(found.unmoved[:3]), len(found.unmoved) - 3
    yield Finding(
        "gradient",
        f"{len(found.unmoved)} of {found.learning} parameters that shall learn get no gradient: {names}"
        f"{f' and {more} more' if more > 0 else ''}",
        "find where the graph is cut (detach, no_grad, a weight of 0), or freeze them with requires_grad_(False)",
    )


def _average(found: Examination) -> Iterator[Finding]:
    if found.lag is None or found.step == 0:
        return
    if found.lag.features > LOST:
        yield Finding(
            "average",
            f"the average has lost the network: its features are off by {found.lag.features:.2g} of what differs "
            f"between samples, its weights by {percent(found.lag.weights)}",
            "a faster target (lower momentum), or a lower optimizer.peak",
            grave=False,
        )
    elif found.lag.weights == 0:
        yield Finding(
            "average",
            "the average is the network itself: their weights are equal to the last bit",
            "a momentum below 1 that is not 0",
            grave=False,
        )


def _views(found: Examination) -> Iterator[Finding]:
    if not found.views_differ:
        yield Finding(
            "views",
            "all views of a sample are equal, for nothing is drawn when it is read, so LiDAR says nothing here",
            "data.augment or data.views, if LiDAR is wanted",
            grave=False,
        )
