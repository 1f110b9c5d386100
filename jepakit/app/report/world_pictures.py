"""Pictures of a world model: what it imagined beside what came, energies over actions, plans on their way."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from jepakit.app.report.layout import absent, figure, folded, picture
from jepakit.app.report.pictures import color_by_height, to_moving_uri, to_pixels
from jepakit.app.report.wording import escape, number, percent
from jepakit.app.report.world_charts import frames
from jepakit.app.world_examination import WorldExamination
from jepakit.app.world_plans import Plans
from jepakit.probes.world_model import Landscape

STEP_MILLISECONDS, PLAN_MILLISECONDS = 350, 80
"""How long a step of the model, or of the world, is seen."""
FIRST, STRIPS, STRIP_FRAMES, LANDSCAPES = 2, 2, 9, 4
"""Windows at the top of the page; those that are shown frame beside frame, too, and frames of each; landscapes."""


def show_first(found: WorldExamination) -> str:
    """A film of two windows for the top of the page: what came above what was imagined. Empty without pictures."""
    sight = found.sight
    if isinstance(sight, str):
        return ""
    rows = [to_pixels(part[:FIRST], found.data.transform) for part in (sight.true, sight.imagined)]
    shown = film(_side_by_side(rows), STEP_MILLISECONDS, "what came above what was imagined")
    return f'<figure class="dream first"><figcaption>what came, above what it imagined</figcaption>{shown}</figure>'


def show_imagined(found: WorldExamination) -> str:
    """A film of a few windows, and two of them frame beside frame: what came above what was imagined."""
    sight = found.sight
    if isinstance(sight, str):
        return absent("Imagination is not drawn", sight)
    rows = [to_pixels(part, found.data.transform) for part in (sight.true, sight.redrawn, sight.imagined)]
    names = ("what came", "its latents, decoded", "imagined, decoded")
    heads = "".join(f"<span>{name}</span>" for name in names)
    shown = film(_side_by_side(rows), STEP_MILLISECONDS, f"{len(sight.true)} windows side by side: {', '.join(names)}")
    strips = "".join(_strip(rows[0][place], rows[2][place], place) for place in range(min(STRIPS, len(rows[0]))))
    explains = (
        f"{len(sight.true)} windows of the {found.part} part. Below: what the model imagined from {frames(found.past)} "
        f"and the actions, {found.steps} steps without looking again. Between: what the decoder makes of latents of "
        f"what came; it misses {percent(sight.left_over)} of what differs between pictures, and what it cannot draw "
        "there says nothing about imagination. Under the film the first windows, what came above what was imagined."
    )
    body = f'<div class="rows"><div>{heads}</div>{shown}</div>{strips}'
    return figure("dream", "Imagined beside what came", body, explains)


def show_landscapes(landscape: Landscape | str) -> str:
    """Energies over two numbers of the action, with the action that was taken and the least energy marked."""
    if isinstance(landscape, str):
        return absent("Energies over actions are not drawn", landscape)
    reach, missed = number(landscape.first[-1].item()), number(landscape.missed.mean().item())
    body = "".join(_landscape(landscape, row) for row in range(min(LANDSCAPES, len(landscape.taken))))
    explains = (
        f"The energy of the frame that really came, over two numbers of the action from -{reach} to {reach}: the first "
        "to the right, the second upwards; dark is low. Ring: the action that was taken. Cross: where the energy is "
        f"least. Over {len(landscape.taken)} windows they lie {missed} apart on average; the action of another window "
        f"lies {number(apart(landscape.taken))} away."
    )
    return figure("landscapes", "Energy over actions", f'<div class="grid">{body}</div>', explains)


def show_plans(plans: Plans | str, run: Path) -> str:
    """A film of the model on its way to goals."""
    if isinstance(plans, str):
        return absent("No plans are filmed", plans)
    shown = film(plans.frames, PLAN_MILLISECONDS, f"{plans.count} episodes, each beside its goal")
    explains = (
        f"{plans.count} episodes in <code>{escape(plans.world)}</code>, the goal to the right of each; {plans.reached} "
        f"reached it. So few are a film and no figure: <code>jepakit plan {escape(run)}</code> plays a hundred, beside "
        "chance and the true simulator."
    )
    conditions = folded("Under which conditions", f"<p>{escape(plans.protocol)}</p>")
    return figure("dream", "On its way to goals", shown, explains) + conditions


def apart(taken: Float[Tensor, "n 2"]) -> float:
    """How far the actions of two windows lie apart, on average."""
    return (taken - taken.roll(1, dims=0)).norm(dim=1).mean().item()


def film(moving: UInt8[Tensor, "t h w 3"], milliseconds: int, described: str) -> str:
    """A moving picture of the page, as wide as there is room."""
    height, width = moving.shape[1:3]
    uri = to_moving_uri(moving, milliseconds)
    return f'<img src="{uri}" alt="Film of {escape(described)}" width="{width}" height="{height}">'


def _side_by_side(rows: Sequence[UInt8[Tensor, "k t h w 3"]]) -> UInt8[Tensor, "t height width 3"]:
    """Windows in columns, and what there is of each in rows."""
    return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)


def _strip(came: UInt8[Tensor, "t h w 3"], imagined: UInt8[Tensor, "t h w 3"], place: int) -> str:
    last = len(came) - 1
    steps = sorted({round(number * last / (STRIP_FRAMES - 1)) for number in range(STRIP_FRAMES)})
    pixels = torch.cat([torch.cat(list(each[steps]), dim=1) for each in (came, imagined)])
    told = f"Window {place + 1} after {', '.join(map(str, steps))} steps: what came above what was imagined"
    return picture(pixels, told)


def _landscape(landscape: Landscape, row: int) -> str:
    heights = color_by_height(landscape.energies[row].T.flip(0).sqrt().cpu())
    marked = {"taken": landscape.taken[row].tolist(), "least": landscape.least[row].tolist()}
    marks = "".join(f'<i class="{name}" style="{_spot(landscape, place)}"></i>' for name, place in marked.items())
    told = "; ".join(f"{name}: {', '.join(map(number, place))}" for name, place in marked.items())
    return f'<div class="map">{picture(heights, f"Energies over actions. {told}")}{marks}</div>'


def _spot(landscape: Landscape, place: list[float]) -> str:
    """Where an action lies in a drawn landscape; the values that were tried are the middles of its cells."""
    count, reach = len(landscape.first), landscape.first[-1].item()
    x, y = (100 * ((value / reach + 1) / 2 * (count - 1) + 0.5) / count for value in place)
    return f"left:{x:.1f}%;bottom:{y:.1f}%"
