"""A world model in the report: what it foresees, whether it listens to actions, what its latents tell."""

from dataclasses import dataclass

from jepakit.app.report.charts import draw
from jepakit.app.report.layout import absent, figure, section, table
from jepakit.app.report.record import Record
from jepakit.app.report.wording import escape, number, percent
from jepakit.app.report.world_charts import chart_errors, chart_listening, chart_surprise
from jepakit.app.report.world_pictures import show_first, show_imagined, show_landscapes, show_plans
from jepakit.app.world_examination import WorldExamination, examine_world
from jepakit.app.world_plans import Plans, film_plans
from jepakit.data.latents import Latents
from jepakit.data.trajectories import Trajectories

TITLE = "What does it foresee?"
LEDE = (
    "A world model is asked what actions lead to, on episodes that it was not trained on. Errors are those of latents, "
    "as shares of how much latents differ: 1 is what always saying their mean would miss. The decoder that draws them "
    "was trained afterwards, only to look at; the model never saw it."
)


@dataclass(frozen=True)
class World:
    """The part of the page about a world model, and what of it a reader should know `first` and see at the top."""

    section: str
    first: tuple[str, ...] = ()
    hero: str = ""


def ask_world(record: Record, trusted: bool = False) -> World | None:
    """Asks the world model of a run; None for a run that learnt none. What cannot be asked says why in its place."""
    if record.run["data"]["class"] not in {
        f"{each.__module__}.{each.__qualname__}" for each in (Trajectories, Latents)
    }:
        return None
    try:
        found = examine_world(record.folder, trusted)
    except (ValueError, OSError) as error:
        return World(section("foresight", TITLE, LEDE, absent("The model is not asked", str(error))))
    if found is None:
        return None
    try:
        plans = film_plans(found)
    except (ValueError, ImportError) as error:  # a world may need a simulator that is not installed here
        plans = str(error)
    return World(show_world(record, found, plans), say(found), show_first(found))


def show_world(record: Record, found: WorldExamination, plans: Plans | str) -> str:
    """All that was measured, and a film of `plans`, or why there is none."""
    parts = [
        show_imagined(found), _charts(found), show_landscapes(found.landscape), _states(found),
        show_plans(plans, record.folder),
    ]  # fmt: skip
    return section("foresight", TITLE, LEDE, "".join(parts))


def say(found: WorldExamination) -> tuple[str, ...]:
    """What a reader should know before all else."""
    horizon = found.horizon
    missed, copied, linear = (percent(each[-1].item()) for each in (horizon.imagined, horizon.copied, horizon.linear))
    foresight = (
        f"Imagining {found.steps} steps ahead it misses {missed} of what differs between latents; saying that nothing "
        f"moves misses {copied}, a linear map {linear}."
    )
    heard = (
        f"Under the actions of another episode the error of one step is {number(horizon.uses_actions[0].item())} times "
        f"as large, of {found.steps} steps {number(horizon.uses_actions[-1].item())} times."
    )
    leaks = () if found.keeps_time else ("It leaks: what comes later changes what it says of earlier moments.",)
    return (foresight, heard, *leaks)


def _charts(found: WorldExamination) -> str:
    charts = [chart_errors(found), chart_listening(found)]
    if isinstance(found.surprise, str):
        told = absent("Surprise is not shown", found.surprise)
    else:
        charts.append(chart_surprise(found.surprise, found.past))
        told = ""
    drawn = "".join(map(draw, charts))
    return f'<div class="charts">{drawn}{_leaks(found)}</div>{told}'


def _leaks(found: WorldExamination) -> str:
    none = "No: with other frames and other actions later on, all earlier latents were the same, bit for bit."
    leak = "<strong>Yes</strong>: other frames or actions later on changed earlier latents, so no figure here counts."
    return figure("told", "Does the future leak?", "", none if found.keeps_time else leak)


def _states(found: WorldExamination) -> str:
    readout, states = found.readout, found.clips.states
    if isinstance(readout, str) or states is None:
        return absent("States are not read off latents", "the episodes do not say what the state of the world was")
    rows = [
        [f"number {place}", percent(explained) if varied > 0 else "never changes", number(missed), number(varied)]
        for place, (explained, missed, varied) in enumerate(
            zip(readout.explained.tolist(), readout.missed.tolist(), states.flatten(0, 1).std(dim=0).tolist(),
                strict=True), start=1,
        )
    ]  # fmt: skip
    heads = ["state of the world", "explained", "missed by, on average", "its deviation"]
    explains = (
        "What a linear map, fitted on other episodes, reads of the state of the world off one latent: the share of "
        "its variance, and the mean error in its own unit."
    )
    drawn = table(heads, rows, "What latents tell of the state of the world")
    return figure("told", "What latents tell of the state", drawn, escape(explains))
