"""Charts of a world model: errors over the horizon, what actions tell it, surprise."""

import torch

from jepakit.app.report.charts import Chart, Curve
from jepakit.app.report.wording import percent
from jepakit.app.world_examination import Surprise, WorldExamination


def chart_errors(found: WorldExamination) -> Chart:
    """The model beside itself under actions of others, and two that know nothing."""
    horizon, steps = found.horizon, range(1, found.steps + 1)
    named = (
        ("imagined", horizon.imagined, "trained"), ("actions of others", horizon.shuffled, "fresh"),
        ("nothing moves", horizon.copied, "raw"), ("linear map", horizon.linear, "other"),
    )  # fmt: skip
    explains = (
        f"From {frames(found.past)} on without looking again, in {len(found.clips.x)} windows of the {found.part} "
        f"part; trained on windows of {found.trained} steps. It has learnt something where it stays below saying that "
        "nothing moves and below the best linear map of latent and action."
    )
    curves = [Curve(name, steps, values.tolist(), tone) for name, values, tone in named]
    return Chart("Error over the horizon", curves, explains, (1, found.steps), sync="horizon", from_zero=True)


def chart_listening(found: WorldExamination) -> Chart:
    """How much worse it is under actions of others."""
    steps = range(1, found.steps + 1)
    explains = (
        "The error under the actions of another episode, as a multiple of that under the own ones. Dashed: 1, where "
        "nobody listens and planning is in vain. It falls with the steps as errors add up."
    )
    curves = [
        Curve("times", steps, found.horizon.uses_actions.tolist()),
        Curve("deaf", steps, [1.0] * found.steps, "alarm", dashed=True),
    ]
    title = "Does it listen to actions?"
    return Chart(title, curves, explains, (1, found.steps), sync="horizon", from_zero=True)


def chart_surprise(surprise: Surprise, past: int) -> Chart:
    """Surprise over time, with and without a teleport; in multiples of the usual one."""
    usual = surprise.natural.mean().clamp(min=torch.finfo(surprise.natural.dtype).tiny)
    curves = [
        Curve(name, range(past, past + len(values)), (values / usual).tolist(), tone)
        for name, values, tone in (
            ("teleported", surprise.teleported, "fresh"), ("as it was", surprise.natural, "trained"),
        )
    ]  # fmt: skip
    explains = (
        f"How far each frame lies from what the one before let expect; 1 is usual. Before frame {surprise.at}, "
        f"{frames(surprise.gap)} of each window were cut out, so that things jump. That surprises more than the same "
        f"moment of an uncut window in {percent(surprise.violation.noticed)} of all pairs; 50 % is chance."
    )
    span = (past, past + len(surprise.natural) - 1)
    return Chart("Surprise at a teleport", curves, explains, span, "frame", "surprise", from_zero=True, latest=False)


def frames(count: int) -> str:
    """How many frames, in words."""
    return "one frame" if count == 1 else f"{count} frames"
