"""Tables of the README and of the page of results, written from results/summary.json: no figure is typed.

`python -m benchmarks.tables` rewrites what stands between the marks and names the claims that were not measured yet.
The tables of trials and of kept tokens are made from raw files, for these are no claims.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims import (
    ABLATION,
    ARM,
    ARM_COUNTS,
    ARM_LEARNERS,
    ASKED,
    AUGMENTED,
    CLIP_ABLATION,
    COLLAPSE,
    CONTESTANTS,
    COUNTED,
    COUNTS,
    CUTS,
    DENSE,
    FORESIGHT,
    FORETELLERS,
    FORETOLD,
    FUTURES,
    HEADLINE,
    JUDGED,
    JUDGES,
    KINDS,
    LEJEPA,
    MOTION,
    NOISES,
    NUISANCE,
    OF_KINDS,
    PROBED,
    PROTOCOLS,
    PUSHES,
    RELIABILITY,
    REMEMBERED,
    ROBOT,
    ROOMS,
    SCORES,
    SETS,
    SOONER,
    SPEED,
    STILL,
    SUBJECTS,
    SUMMED_UP,
    VIDEO,
    WIDE,
    WIDTHS,
    Row,
    asked_of,
    figure,
)
from benchmarks.record import ROOT
from benchmarks.search import trials

PAGES = ("README.md", "docs/results.md")
MARK = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

Claims = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Rewrites the tables of all pages and says which claims are missing."""
    claims = read_claims(ROOT / "results" / "summary.json")
    for page in PAGES:
        path = ROOT / page
        path.write_text(renewed(path.read_text(), claims))
        print(f"tables written: {page}")
    if missing := sorted(expected() - claims.keys()):
        print(f"{len(missing)} claims are missing: {', '.join(missing)}")


def read_claims(path: Path) -> Claims:
    """Claims by name; none if nothing was measured yet."""
    return json.loads(path.read_text()) if path.exists() else {}


def renewed(text: str, claims: Claims) -> str:
    """A page with all of its tables made from `claims`. Raises ValueError for a table that nobody knows."""

    def table(found: re.Match[str]) -> str:
        if found["name"] not in TABLES:
            raise ValueError(f"there is no table {found['name']!r}; there are {', '.join(TABLES)}")
        return found[1] + TABLES[found["name"]](claims) + "\n" + found[3]

    return MARK.sub(table, text)


def expected() -> set[str]:
    """Every claim that the tables have a place for."""
    rows = {
        row.claim
        for row in (
            *SPEED,
            *RELIABILITY,
            *ABLATION,
            *COLLAPSE,
            *VIDEO,
            *FUTURES,
            *SOONER,
            *LEJEPA,
            *ROOMS,
            *PUSHES,
            *ARM,
        )
    }
    rows |= {claim for table in CROSSED.values() for claim in asked_of(*table)}
    return rows | {cell for name in SETS for subject in SUBJECTS for cell in cells(name, subject) if cell}


def cells(name: str, subject: str) -> list[str | None]:
    """The claims of one line of the table of learning; None where there is no such thing."""
    if subject == "ijepa_long" and name != "openclipart":
        return [None] * len(PROTOCOLS)
    if subject == "supervised":
        return [None, f"{name}.supervised.full", None, f"{name}.supervised.lowshot1"]
    return [f"{name}.{subject}.{protocol}" for protocol in PROTOCOLS]


def learning(claims: Claims) -> str:
    """Data sets and subjects by protocols."""
    lines = []
    for name, title in SETS.items():
        for subject, words in SUBJECTS.items():
            line = cells(name, subject)
            if any(line):
                lines.append([title, words, *("" if cell is None else measured(claims, cell) for cell in line)])
    wanted = [cell for name in SETS for subject in SUBJECTS for cell in cells(name, subject) if cell]
    return grid(["data", "", *PROTOCOLS.values()], lines) + footnotes(claims, wanted)


def listed(rows: Sequence[Row]) -> Callable[[Claims], str]:
    """A table of single claims: figure, mark, whether it is reached, and the command."""

    def table(claims: Claims) -> str:
        lines = []
        for row in rows:
            claim = claims.get(row.claim)
            mark = row.mark(claim["unit"] if claim else default_unit(row.claim))
            reached = row.reached(claim["value"]) if claim and claim["value"] is not None else ""
            command = f"`{claim['command']}`" if claim else ""
            lines.append([row.words, measured(claims, row.claim), mark, reached, command])
        return grid(["", "measured", "mark", "reached", "command"], lines) + footnotes(
            claims, [row.claim for row in rows]
        )

    return table


def crossed(rows: Mapping[str, str], columns: Mapping[str, str]) -> Callable[[Claims], str]:
    """A table of claims that are named by a row and a column."""
    wanted = asked_of(rows, columns)

    def cell(claims: Claims, name: str) -> str:
        return measured(claims, name) if name in wanted else ""

    def table(claims: Claims) -> str:
        lines = [[words, *(cell(claims, column.format(row)) for column in columns)] for row, words in rows.items()]
        return grid(["", *columns.values()], lines) + footnotes(claims, wanted)

    return table


def headline(claims: Claims) -> str:
    """A few claims for the first screen."""
    lines = [[row.words, measured(claims, row.claim), row.mark(default_unit(row.claim))] for row in HEADLINE]
    return grid(["", "measured", "mark"], lines)


def others(claims: Claims) -> str:
    """All claims that no other table has a place for, so that nothing measured is hidden."""
    rest = sorted(claims.keys() - expected())
    if not rest:
        return "None."
    return grid(
        ["claim", "measured", "command"], [[f"`{n}`", measured(claims, n), f"`{claims[n]['command']}`"] for n in rest]
    )


def search(claims: Claims) -> str:
    """Every trial of the search; it stands in files of its own, not among the claims."""
    return tried(list(trials()), read_trials(ROOT / "results" / "search"))


def read_trials(folder: Path) -> Claims:
    """The raw files of the search by the name of the trial."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def tried(names: Sequence[str], found: Claims) -> str:
    """A table for each data set and subject: trials by scores, the best of each column bold, missing ones named."""
    parts = [name.split(".", 2) for name in names]
    groups = dict.fromkeys((data, subject) for data, subject, _ in parts)
    tables = []
    for data, subject in groups:
        members = {change: f"{data}.{subject}.{change}" for *group, change in parts if group == [data, subject]}
        title = f"**{SETS[data]}, {SUBJECTS[subject]}**: `python -m benchmarks.search {data}.{subject}`"
        tables.append(f"{title}\n\n{ranked(members, found, SCORES[subject])}")
    return "\n\n".join(tables) + footnotes(found, names, "trials")


def ranked(members: Mapping[str, str], found: Claims, scores: Mapping[str, str]) -> str:
    """Trials by what they changed; `members` says under which name each was measured."""
    known = [found[name]["scores"] for name in members.values() if name in found]
    best = {score: max((each[score] for each in known), default=None) for score in scores}

    def cell(name: str, score: str) -> str:
        if name not in found:
            return "missing"
        value = found[name]["scores"][score]
        return f"**{figure(value, 'share')}**" if value == best[score] else figure(value, "share")

    lines = [[f"`{change}`", *(cell(name, score) for score in scores)] for change, name in members.items()]
    return grid(["trial", *scores.values()], lines)


def kept(claims: Claims) -> str:
    """What each way of cutting keeps of every time step: counts in a raw file, not among the claims."""
    path = ROOT / "results" / "benchmarks" / "masks_3d.json"
    return kept_by_step(json.loads(path.read_text())) if path.exists() else "Not measured yet."


def kept_by_step(raw: Mapping[str, Any]) -> str:
    """Tokens of each time step that are left in the context and in the targets, by family and way of cutting."""
    lines = []
    for name, parts in raw["rows"]["kept"].items():
        family, way = name.split(".")
        for part, counts in parts.items():
            lines.append([family, f"`{way}`: {CUTS[way]}", part, *(f"{count:.1f}" for count in counts)])
    steps = max(map(len, lines)) - 3
    head = ["family", "tokens kept of each time step", "of the", *map(str, range(1, steps + 1))]
    return f"{grid(head, lines)}\n\nCommand: `{raw['command']}`.{footnotes({'kept': raw}, ['kept'])}"


CROSSED = {
    "arena": (CONTESTANTS, ASKED),
    "augmented": (AUGMENTED, PROBED),
    "counted": (COUNTED, COUNTS),
    "widths": (WIDE, WIDTHS),
    "nuisance": (NUISANCE, NOISES),
    "summed-up": (SUMMED_UP, REMEMBERED),
    "judges": (JUDGES, JUDGED),
    "kinds": (KINDS, OF_KINDS),
    "foretelling": (FORETELLERS, FORETOLD),
    "few": (ARM_LEARNERS, ARM_COUNTS),
}
TABLES: dict[str, Callable[[Claims], str]] = {
    "headline": headline,
    "learning": learning,
    "ablation": listed(ABLATION),
    "motion": listed(MOTION),
    "robot": listed(ROBOT),
    "still": listed(STILL),
    "clip-ablation": listed(CLIP_ABLATION),
    "foresight": listed(FORESIGHT),
    "dense": listed(DENSE),
    "sooner": listed(SOONER),
    "lejepa": listed(LEJEPA),
    "futures": listed(FUTURES),
    "rooms": listed(ROOMS),
    "push": listed(PUSHES),
    "arm": listed(ARM),
    "collapse": listed(COLLAPSE),
    "speed": listed(SPEED),
    "kept": kept,
    "reliability": listed(RELIABILITY),
    "search": search,
    "others": others,
    **{name: crossed(rows, columns) for name, (rows, columns) in CROSSED.items()},
}


def measured(claims: Claims, name: str) -> str:
    """The figure with its interval, or that it is missing. Of two seeds both figures stand there."""
    if name not in claims:
        return "missing"
    claim = claims[name]
    if "bound" in claim:
        return priced(claim)
    value, low, high = (figure(claim[key], claim["unit"]) for key in ("value", "low", "high"))
    if len(claim["seeds"]) == 1:
        return f"{value} (one seed)"
    if claim["low"] == claim["high"]:
        return value
    word = f" {claim['unit']}"  # where the unit is a word, it is said once
    if len(claim["seeds"]) == 2:
        return f"{low.removesuffix(word)} and {high}"
    return f"{value} ({low.removesuffix(word)} to {high.removesuffix(word)})"


def priced(claim: Mapping[str, Any]) -> str:
    """A price that some seed has a bound of alone: what is certain of all, and of each."""

    def said(each: Mapping[str, Any]) -> str:
        number = "" if each["value"] is None else figure(each["value"], claim["unit"])
        return f"{each['bound'] or ''} {number}".strip()

    seeds = [said(each) for each in claim["per_seed"]]
    return f"{said(claim)} ({'one seed' if len(seeds) == 1 else 'by seed: ' + ', '.join(seeds)})"


def default_unit(claim: str) -> str:
    """The unit of a claim that was not measured yet, as its name tells it."""
    endings = {
        "ratio": "times", "seconds": "seconds", "trials": "count", "identical": "boolean", "collapsed_runs": "runs",
        "grid_runs": "runs",
    }  # fmt: skip
    return endings.get(claim.rpartition(".")[2], "share")


def grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def footnotes(claims: Claims, wanted: Sequence[str], what: str = "figures") -> str:
    """Machine and revision of what is there, and how much is missing."""
    there = [claims[name] for name in wanted if name in claims]
    notes = []
    if there:
        machines = sorted({f"{claim['machine']['cpu']}, {claim['machine']['cores']} cores" for claim in there})
        revisions = sorted({revision for claim in there for revision in claim["git"].split(", ")})
        notes.append(f"Machine: {'; '.join(machines)}. Revision: {', '.join(revisions)}.")
    if left_out := sorted({file for claim in there for file in claim.get("left_out", ())}):
        notes.append(f"Left out, for newer seeds have another recipe: {', '.join(left_out)}.")
    if len(there) < len(wanted):
        notes.append(f"Not measured yet: {len(wanted) - len(there)} of {len(wanted)} {what} of this table.")
    return "".join(f"\n\n{note}" for note in notes)


if __name__ == "__main__":
    main()
