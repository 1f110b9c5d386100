"""One claim out of its seeds: the mean with its interval, or what is certain where some seed has a bound alone."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

SHARES = ("accuracy", "AUROC", "class-mean recall@5", "boolean")
"""Units of numbers in [0, 1], besides those that begin with "share"."""
POSITIVE = ("times", "RMSE", "effective rank", "runs", "cm")
"""Units of numbers that are never negative."""
Row = Mapping[str, Any]


def over_seeds(rows: Sequence[Row]) -> dict[str, Any]:
    """One claim out of its rows, a value with its seed each, all of one recipe."""
    unit = rows[-1]["unit"]
    found = priced(rows) if "reached" in rows[0] else averaged([row["value"] for row in rows], unit)
    return {
        **found,
        "n": len(rows),
        "seeds": [row["seed"] for row in rows],
        "unit": unit,
        "flops": statistics.fmean(row["flops"] for row in rows),
    }


def averaged(values: Sequence[float], unit: str) -> dict[str, Any]:
    """The mean, and from three seeds on its 95 % interval by Student's t, cut where the unit ends.

    Two values say next to nothing about their spread: they stand as they are. One is its own bounds.
    """
    mean = statistics.fmean(values)
    if len(values) < 3:
        interval = "one seed" if len(values) == 1 else "both values"
        return {"value": mean, "low": min(values), "high": max(values), "interval": interval}
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    lowest, highest = limits(unit)
    low, high = max(mean - half, lowest), min(mean + half, highest)
    return {"value": mean, "low": low, "high": high, "interval": "95 %, Student's t"}


def limits(unit: str) -> tuple[float, float]:
    """Between which numbers a figure with this unit lies."""
    if unit in SHARES or unit.startswith("share"):
        return 0.0, 1.0
    if unit == "correlation":
        return -1.0, 1.0
    return (0.0 if unit in POSITIVE else -math.inf), math.inf


def priced(rows: Sequence[Row]) -> dict[str, Any]:
    """What one training takes to reach a mark as a share of what another takes, either of which may never arrive.

    `reached` of a row says who did, ours first. If all did, that is an average as any other. Else a seed may have any
    value that its bound allows: the median over seeds lies between the medians of their lower and of their upper ends,
    and `bound` says which of the two the value is. It is None where they meet, and "not reached" where neither says
    anything; then there is no value.
    """
    per_seed = [{"seed": row["seed"], "value": row["value"], "bound": bound_of(row)} for row in rows]
    if all(each["bound"] is None for each in per_seed):
        return {**averaged([row["value"] for row in rows], rows[-1]["unit"]), "per_seed": per_seed}
    ends = [ends_of(each["value"], each["bound"]) for each in per_seed]
    low, high = (statistics.median(side) for side in zip(*ends, strict=True))
    if high < math.inf:
        value, bound = high, None if low == high else "at most"
    else:
        value, bound = (low, "at least") if low > 0 else (None, "not reached")
    return {
        "value": value,
        "low": low,
        "high": high if high < math.inf else None,
        "interval": "between which the median over seeds lies",
        "bound": bound,
        "per_seed": per_seed,
    }


def bound_of(row: Row) -> str | None:
    """What the value of a seed is, if it is not the share itself."""
    if row["value"] is None:
        return "not reached"
    ours, theirs = row["reached"].values()
    if ours and theirs:
        return None
    return "at most" if ours else "at least"


def ends_of(value: float, bound: str | None) -> tuple[float, float]:
    """The least and the most that a share may be."""
    match bound:
        case None:
            return value, value
        case "at most":
            return 0.0, value
        case "at least":
            return value, math.inf
    return 0.0, math.inf
