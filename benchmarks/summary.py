"""results/summary.json: every claim with its figure, rebuilt from the raw files under results/.

A raw file names its claims itself. One in results/benchmarks/ gives each a value with its interval; one in
results/learning/ is one seed, and gives each a value: here the seeds are put together, those of one recipe alone. Of
two recipes the one that was measured last counts; the files of the other are named, here and below the tables.
"""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.recipe import recipe_of
from benchmarks.record import ROOT
from benchmarks.seeds import over_seeds

RESULTS = ROOT / "results"
ORIGIN = ("command", "git", "machine")


def main() -> None:
    """Writes results/summary.json and says what it holds."""
    learning = RESULTS / "learning"
    claims = {**benchmark_claims(RESULTS / "benchmarks"), **learning_claims(learning), **alarm_claims(learning)}
    path = RESULTS / "summary.json"
    path.write_text(json.dumps(dict(sorted(claims.items())), indent=1) + "\n")
    print(f"{len(claims)} claims: {path.relative_to(ROOT)}")
    if left_out := sorted({name for claim in claims.values() for name in claim.get("left_out", ())}):
        names = ", ".join(left_out)
        print(f"LEFT OUT, for newer seeds have another recipe (measure them again): {names}", file=sys.stderr)


def benchmark_claims(folder: Path) -> dict[str, dict[str, Any]]:
    """The claims of all benchmark files, as they stand there."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        raw = json.loads(path.read_text())
        for name, claim in raw.get("claims", {}).items():
            found[name] = {"seeds": [], **claim, **{key: raw[key] for key in ORIGIN}}
    return found


def learning_claims(folder: Path) -> dict[str, dict[str, Any]]:
    """The claims of all learning files: the seeds of each put together."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        raw = json.loads(path.read_text())
        for name, value in raw["claims"].items():
            own = {key: raw[key][name] if isinstance(raw[key], dict) else raw[key] for key in ("flops", "unit")}
            if value is not None or "reached" in raw:  # that a mark is never reached is found, not missing
                rows[name].append({**raw, "value": value, "file": path.name, **own})
    return {name: claim_of(found) for name, found in rows.items()}


def claim_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One claim out of its files."""
    kept, left_out = of_one_recipe(rows)
    return {**over_seeds(kept), **origin_of(kept), **({"left_out": left_out} if left_out else {})}


def alarm_claims(folder: Path) -> dict[str, dict[str, Any]]:
    """How often the collapse alarm rang in a run that is meant to be healthy, and kept silent in one that is not."""
    trained = [raw for path in sorted(folder.glob("*.json")) if "collapsed" in (raw := json.loads(path.read_text()))]
    doomed = [raw for raw in trained if "effective rank" in raw["unit"]]
    healthy = [raw for raw in trained if raw not in doomed]
    wrong = {
        "collapse.false_alarms": [raw["collapsed"] is not None for raw in healthy],
        "collapse.misses": [raw["collapsed"] is None for raw in doomed],
    }
    return {name: share(found, trained) for name, found in wrong.items() if found}


def share(found: list[bool], trained: list[dict[str, Any]]) -> dict[str, Any]:
    """A share of runs with its Wilson interval."""
    bounds = stats.binomtest(sum(found), len(found)).proportion_ci(method="wilson")
    return {
        "value": sum(found) / len(found),
        "low": float(bounds.low),
        "high": float(bounds.high),
        "n": len(found),
        "seeds": [],
        "unit": "share of runs",
        **origin_of(trained),
    }


def of_one_recipe(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The seeds of the recipe that was measured last, and the files of the others: two recipes have no mean."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[recipe_of(row)].append(row)
    newest = max(groups.values(), key=lambda group: max(row["date"] for row in group))
    return newest, [row["file"] for row in rows if row not in newest]


def origin_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One origin for several raw files: the command that runs all of them, and every revision they were made at."""
    commands = [row["command"] for row in rows]
    return {
        "command": os.path.commonprefix(commands).rstrip(),  # noqa: RUF071  letters, not folders
        "git": ", ".join(sorted({row["git"] for row in rows})),
        "machine": rows[-1]["machine"],
    }


if __name__ == "__main__":
    main()
