"""Where a run comes from and what it cost: recipe, machine, versions, revision, time, samples that failed."""

import json
from statistics import median

from torch import nn

from jepakit.app.report.layout import facts, folded, section, table
from jepakit.app.report.record import Line, Record
from jepakit.app.report.sight import Sight
from jepakit.app.report.wording import duration, escape, number, percent, scaled

NAMED_BROKEN = 50


def show_cost(record: Record, sight: Sight | None) -> dict[str, str]:
    """The figures under the verdict: how long, how fast, how large."""
    pairs = {"steps": f"{record.done:,} <small>of {record.run['batch']:,} samples</small>"}
    if record.log:
        last = record.log[-1]
        pairs["training time"] = duration(last["seconds"])
        pairs["samples a second"] = number(median(line["images_per_second"] for line in record.log))
        pairs["waiting for data"] = percent(_waited(record))
    if sight is not None:
        pairs["parameters"] = f"{scaled(_size(sight.method.kept), '')} <small>in the backbone</small>"
    if (flop := record.flop_of_a_step) is not None:
        pairs["compute"] = scaled(flop * record.done, "FLOP")
    return pairs


def show_origin(record: Record, sight: Sight | None) -> str:
    """All that is needed to run it again, folded where it is long."""
    pairs = {**_starts(record), **_watching(record), **_parameters(sight), **_broken_count(record)}
    if (flop := record.flop_of_a_step) is not None:
        pairs["compute"] = (
            f"{scaled(flop, 'FLOP')} a step, {scaled(flop / record.run['batch'], 'FLOP')} a sample: forward pass, "
            "answers and backward pass of every network, averaged over the masks"
        )
    body = facts(pairs) + folded("The resolved recipe", f"<pre>{escape(json.dumps(record.run, indent=1))}</pre>")
    body += _broken(record)
    lede = "Everything that a result depends on. <code>jepakit train</code> with the same recipe repeats it."
    return section("origin", "The run", lede, body)


def _starts(record: Record) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for place, start in enumerate(record.starts):
        name = "started" if place == 0 else f"resumed ({place})"
        pairs[name] = f"{escape(start['date'])}<br><code>{escape(start['command'])}</code>"
    if record.starts:
        last = record.starts[-1]
        pairs["machine"] = escape(_machine(last["machine"]))
        pairs["versions"] = escape(", ".join(f"{name} {version}" for name, version in last["versions"].items()))
        pairs["git revision"] = f"<code>{escape(last['git'] or 'none: installed from a package')}</code>"
    return pairs


def _machine(told: Line) -> str:
    place = told["gpu"] or f"{told['cpu']}, {told['threads']} of {told['cores']} cores"
    ranks = f", {told['ranks']} processes ({told['mode']})" if told["ranks"] > 1 else ""
    return f"{place}, {told['dtype']}{ranks}, {told['system']}"


def _watching(record: Record) -> dict[str, str]:
    if not record.log:
        return {}
    seconds = sum(line["watch_seconds"] for line in record.readings)
    share = seconds / max(record.log[-1]["seconds"], 1e-9)
    return {"watching for collapse": f"{duration(seconds)} in all, {percent(share)} of the training time"}


def _parameters(sight: Sight | None) -> dict[str, str]:
    if sight is None:
        return {}
    parts = ", ".join(f"{name} {_size(part):,}" for name, part in sight.method.named_children() if _size(part))
    return {"parameters": escape(parts)}


def _broken_count(record: Record) -> dict[str, str]:
    count = len(record.broken)
    skipped = record.log[-1]["skipped"] if record.log else 0
    found = f"{count:,} could not be read and were left out" if count else "none"
    return {"broken samples": found, **({"skipped steps": f"{skipped:,} with a spike of the loss"} if skipped else {})}


def _broken(record: Record) -> str:
    if not record.broken:
        return ""
    rows = [
        [escape(line["name"]), escape(line["reason"]), f"{line['step']:,}"] for line in record.broken[:NAMED_BROKEN]
    ]
    rest = len(record.broken) - len(rows)
    note = f"<p>and {rest:,} more in broken.jsonl</p>" if rest else ""
    return folded("Samples that could not be read", table(["Sample", "Reason", "Step"], rows, "Broken samples") + note)


def _waited(record: Record) -> float:
    """The share of the whole time, from the shares and lengths of the logged spans."""
    total = waited = before = 0.0
    for line in record.log:
        span = line["seconds"] - before
        before = line["seconds"]
        total, waited = total + span, waited + span * line["wait_share"]
    return waited / total if total else 0.0


def _size(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())
