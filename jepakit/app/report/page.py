"""The report of a run: one HTML file that needs no network and no other file."""

import os
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from string import Template

from jepakit.app.examination import examine
from jepakit.app.report.health import show_health
from jepakit.app.report.layout import facts, missing, section
from jepakit.app.report.origin import show_cost, show_origin
from jepakit.app.report.probing import show_headline, show_probes
from jepakit.app.report.record import Record, read_record
from jepakit.app.report.seeing import show_features, show_hero, show_masks, show_neighbors
from jepakit.app.report.sight import Sight, look
from jepakit.app.report.training import show_curves, show_meters
from jepakit.app.report.verdict import Verdict, judge
from jepakit.app.report.wording import escape
from jepakit.app.report.world import World, ask_world

_TITLES = {
    "foresight": "Foresight", "probes": "Probes", "collapse": "Collapse", "health": "Health", "features": "Features",
    "neighbors": "Neighbors", "masks": "Masks", "training": "Training", "origin": "The run",
}  # fmt: skip


def write_report(run: Path, out: Path, trusted: bool = False) -> Path:
    """Writes the report of the run in the folder `run` to the file `out` and returns `out`.

    What cannot be shown says so in its place, and what would bring it: no checkpoint, data that is gone, classes
    outside of jepakit that are not `trusted`. Raises ValueError if `run` holds no run.
    """
    record = read_record(run)
    try:
        sight, blind = look(run, trusted), None
    except (ValueError, OSError) as error:
        sight, blind = None, str(error)
    try:
        found, why = examine(run, trusted=trusted), None
    except (ValueError, OSError) as error:
        found, why = None, str(error)
    page = render(record, sight, blind, show_health(record, found, why), ask_world(record, trusted))
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    beside.write_text(page, encoding="utf-8")
    os.replace(beside, out)
    return out


def render(record: Record, sight: Sight | None, blind: str | None, health: str, world: World | None = None) -> str:
    """The page as text. `blind` says why there is no `sight`, where there is none; `health` is the part of a doctor.

    `world` is the part of a world model, which is asked no questions by masks and needs no labels.
    """
    here = files("jepakit.app.report")
    verdict = judge(record, sight)
    places = sight is None or sight.strip.has_places
    pictures = show_hero(sight) if sight is not None and places else ""
    if world is not None:
        verdict = replace(verdict, more=(*world.first, *verdict.more))
        pictures = world.hero or pictures
    sections = {
        "foresight": world.section if world is not None else "",
        "probes": show_probes(record) if world is None or record.results else "",
        "collapse": show_meters(record, sight),
        "health": health,
        "features": _seen(show_features, sight, "features", "What it sees", blind, record) if places else "",
        "neighbors": _seen(show_neighbors, sight, "neighbors", "What is alike to it", blind, record),
        "masks": _seen(show_masks, sight, "masks", "What it was asked", blind, record) if world is None else "",
        "training": show_curves(record, sight),
        "origin": show_origin(record, sight),
    }
    links = "".join(f'<a href="#{name}">{_TITLES[name]}</a>' for name, body in sections.items() if body)
    return Template(here.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{_name(record)}: {verdict.headline}"),
        nav=f"<b>jepakit report</b>\n{links}",
        style=here.joinpath("page.css").read_text(encoding="utf-8"),
        script=here.joinpath("page.js").read_text(encoding="utf-8"),
        hero=_hero(record, verdict, sight, pictures),
        sections="".join(sections.values()),
    )


def _hero(record: Record, verdict: Verdict, sight: Sight | None, pictures: str) -> str:
    more = "".join(f"<p>{escape(sentence)}</p>" for sentence in verdict.more)
    return f"""
<div class="words">
<p class="kicker">{escape(_about(record))}</p>
<h1>{escape(_name(record))}</h1>
<p class="verdict {verdict.state}">{escape(verdict.headline)}</p>
<div class="more">{more}</div>
{show_headline(record)}
</div>
{pictures}
{facts(show_cost(record, sight))}"""


def _name(record: Record) -> str:
    return record.recipe or record.folder.resolve().name


def _about(record: Record) -> str:
    data = record.run["data"]
    on = f" on {data['root']}" if "root" in data else ""
    return f"{record.model}{on}"


def _seen(
    show: Callable[[Sight], str], sight: Sight | None, name: str, title: str, blind: str | None, record: Record
) -> str:
    if sight is not None:
        return show(sight)
    trained = any(record.folder.glob("step-*"))
    why = blind or "There is nothing to look at"
    trust = " --trusted" if "--trusted" in why else ""
    command = f"jepakit {'report' if trained else 'train --resume'} {record.folder}{trust}"
    return section(name, title, "", missing(why, command))
