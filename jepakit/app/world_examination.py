"""What a report measures on a world model: on held-out episodes, and through nothing but `encode` and `imagine`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from jepakit.app.report.sight import FLOP_BUDGET, with_pictures
from jepakit.contracts import BrokenSample, WorldModel
from jepakit.data.sources import Part
from jepakit.data.trajectories import Trajectories, TrajectoryDataset
from jepakit.data.trajectory import Episodes
from jepakit.data.trajectory_open import open_trajectories
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.pretrained import load_method
from jepakit.probes.decoder import train_decoder
from jepakit.probes.world_model import (
    Clips,
    Horizon,
    Landscape,
    Readout,
    Violation,
    energy_landscape,
    errors_over_horizon,
    keeps_time,
    latents_of,
    read_states,
    surprise,
)
from jepakit.train.log import read_run

LONGEST = 17
"""Frames of a window at most: 16 steps of the model are farther ahead than any was trained for."""
MOST_CLIPS, LEAST_CLIPS, FITTED = 96, 4, 3
"""Held-out windows that are looked at, and for each of them windows of the train part that readers are fitted on."""
MOST_VALUES = 80_000_000
"""Values of pictures that are held in memory to fit on."""
LOOKS = 16
"""How often all meters together encode or imagine a frame, about; landscapes come on top."""
TICKS = 21
"""Values of an action that a landscape tries, for each of its two axes."""
DRAWN, DRAWN_STEPS, DRAWN_BATCH, DRAWN_SIDE = 6, 300, 32, 128
"""Windows that are drawn; steps of the decoder that draws them, pictures in each, and their largest side on a CPU."""
ON_GPU, TOO_LARGE = 100, 30
"""How many times the budget of a report there is on a GPU, and may be used up before a model is left out."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Surprise:
    """How surprising each frame was, on average, in windows as they were, and with a part cut out before frame `at`.

    To cut is to teleport: what is seen jumps to where the same episode is `gap` frames later.
    """

    natural: Float[Tensor, "h"]
    teleported: Float[Tensor, "h"]
    at: int
    gap: int
    violation: Violation


@dataclass(frozen=True)
class WorldSight:
    """Frames of a few windows, normalized: what came, what a decoder makes of its latents, and of imagined ones.

    The first frame is the last one that was seen; `left_over` is the share of what differs between pictures that the
    decoder misses in latents of true frames.
    """

    true: Float[Tensor, "k t c h w"]
    redrawn: Float[Tensor, "k t c h w"]
    imagined: Float[Tensor, "k t c h w"]
    left_over: float


@dataclass(frozen=True)
class WorldExamination:
    """What was measured on windows of one `part`; a sentence stands for what could not be, and says why.

    `window` is how many frames the model looks back to, `past` how many it saw before it imagined, `trained` how many
    steps training saw at once, and `flop` the operations of imagining one step, about.
    """

    part: Part
    data: Trajectories
    method: Any
    clips: Clips
    window: int
    past: int
    trained: int
    flop: float
    horizon: Horizon
    keeps_time: bool
    surprise: Surprise | str
    landscape: Landscape | str
    readout: Readout | str
    sight: WorldSight | str

    @property
    def steps(self) -> int:
        """How many steps ahead it was asked for."""
        return len(self.horizon.imagined)


def examine_world(folder: Path, trusted: bool = False) -> WorldExamination | None:
    """Measures the newest checkpoint of a run on trajectories; None for a run that learnt no world model.

    Raises ValueError with one sentence where there is no checkpoint, episodes are gone or too short, or the model is
    too large to be asked here.
    """
    data = with_pictures(read_run(folder, trusted).data)
    if not isinstance(data, Trajectories):
        return None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method = load_method(folder, trusted).to(device).eval()
    if not isinstance(method, WorldModel):
        return None
    window = method.dynamics.window if isinstance(method, WorldModelJEPA) else 1
    asked = longer(data)
    part, dataset = held_out(asked)
    sample = read_clips(dataset, 1, device)
    count = affordable(method, sample)
    known = min(FITTED * count, max(MOST_VALUES // sample.x.numel(), LEAST_CLIPS))
    train = read_clips(replace(asked, episodes=min(data.episodes or known, known)).build(), known, device)
    return measure(method, train, read_clips(dataset, count, device), part, data, window)


def longer(data: Trajectories) -> Trajectories:
    """Windows as long as at least half of the episodes allow, with the states of the world where they were recorded."""
    episodes = open_trajectories(Path(data.root), data.camera)
    if not episodes.lengths:
        raise ValueError(f"{data.root}: none of its episodes can be read")
    allowed = (int(median(episodes.lengths)) - 1) // data.skip + 1
    return replace(data, frames=max(data.frames, min(LONGEST, allowed)), states=knows_states(episodes))


def knows_states(episodes: Episodes) -> bool:
    """Whether the states of the world were recorded, as the first episode that can be read says."""
    for row in range(len(episodes.names)):
        try:
            return episodes.numbers(row).states is not None
        except BrokenSample:
            continue
    return False


def held_out(data: Trajectories) -> tuple[Part, TrajectoryDataset]:
    """The windows of the test part, or of the validation part where the test part has next to none.

    Raises ValueError where there are none in either.
    """
    try:
        test = data.split("test")
    except ValueError:
        return "validation", data.split("validation")
    if len(test) >= LEAST_CLIPS:
        return "test", test
    try:
        validation = data.split("validation")
    except ValueError:
        return "test", test
    return ("test", test) if len(test) >= len(validation) else ("validation", validation)


def read_clips(dataset: TrajectoryDataset, count: int, device: torch.device) -> Clips:
    """So many windows, evenly spread over the episodes. Raises ValueError where none can be read."""
    count, found = min(count, len(dataset)), []
    for place in range(count):
        try:
            found.append(dataset.get(place * len(dataset) // count, 0, 0))
        except BrokenSample:
            continue
    if not found:
        raise ValueError(f"none of {count} windows of the episodes can be read")
    parts = {name: torch.stack([sample[name] for sample in found]).to(device) for name in found[0]}
    return Clips(parts["x"], parts["actions"], parts.get("proprio"), parts.get("states"))


def price(method: Any, clips: Clips) -> float:
    """Operations of encoding or imagining one frame, about: every parameter is used for every token."""
    size = sum(parameter.numel() for parameter in method.parameters())
    return 2.0 * size * latents_of(method, clips.take(torch.arange(1))).shape[2]


def affordable(method: Any, sample: Clips) -> int:
    """How many windows a report can pay for. Raises ValueError for a model that is too large to be asked at all."""
    budget = FLOP_BUDGET * (ON_GPU if sample.x.is_cuda else 1)
    count = int(budget / (price(method, sample) * (LOOKS * sample.x.shape[2] + TICKS**2)))
    if count * TOO_LARGE < LEAST_CLIPS:
        raise ValueError("this model is so large that asking it takes too long here; write the report on a GPU")
    return min(max(count, LEAST_CLIPS), MOST_CLIPS)


def measure(
    method: Any, train: Clips, test: Clips, part: Part, data: Trajectories, window: int = 1
) -> WorldExamination:
    """All meters on the windows `test`, with readers that were fitted on `train`."""
    past = min(window, test.x.shape[2] // 2)
    return WorldExamination(
        part=part,
        data=data,
        method=method,
        clips=test,
        window=window,
        past=past,
        trained=data.frames - 1,
        flop=price(method, test),
        horizon=errors_over_horizon(method, test, train, past),
        keeps_time=keeps_time(method, test.take(torch.arange(min(LEAST_CLIPS, len(test.x))))),
        surprise=found_or_why(lambda: read_surprise(method, test, past)),
        landscape=found_or_why(lambda: read_landscape(method, test)),
        readout=found_or_why(lambda: read_states(method, train, test)),
        sight=found_or_why(lambda: draw(method, train, test, past)),
    )


def found_or_why(read: Callable[[], Found]) -> Found | str:
    """What was read, or why it cannot be."""
    try:
        return read()
    except ValueError as error:
        return str(error)


def read_surprise(model: WorldModel, clips: Clips, past: int) -> Surprise:
    """Surprise over time, with and without a teleport. Raises ValueError for windows that are too short to cut."""
    frames = clips.x.shape[2]
    gap = frames // 3
    at = (frames - gap) // 2
    if gap < 1 or at < past:
        raise ValueError(f"windows of {frames} frames, {past} of which are past, are too short to cut a part out")
    natural, teleported = (surprise(model, each, past=past) for each in (clips, cut_out(clips, at, gap)))
    violation = Violation(natural[:, at - past], teleported[:, at - past])
    return Surprise(natural[:, : teleported.shape[1]].mean(dim=0), teleported.mean(dim=0), at, gap, violation)


def cut_out(clips: Clips, at: int, gap: int) -> Clips:
    """The windows without the frames from `at` on, so many of them; the action before leads nowhere any more."""

    def leave(values: Tensor, axis: int) -> Tensor:
        after = values.narrow(axis, at + gap, values.shape[axis] - at - gap)
        return torch.cat([values.narrow(axis, 0, at), after], dim=axis)

    known, states = (None if part is None else leave(part, 1) for part in (clips.known, clips.states))
    return Clips(leave(clips.x, 2), leave(clips.actions, 1), known, states)


def read_landscape(model: WorldModel, clips: Clips) -> Landscape:
    """Over the first two numbers of an action that vary. Raises ValueError where there are no two."""
    varied = (clips.actions.std(dim=(0, 1)) > 0).nonzero()[:, 0].tolist()
    if len(varied) < 2:
        raise ValueError("an action has fewer than two numbers that vary, so its energies are no landscape")
    axes = (varied[0], varied[1])
    reach = clips.actions[..., list(axes)].abs().max().item()
    rows = [clips.take(torch.tensor([row])) for row in range(len(clips.x))]  # one by one: each is TICKS squared futures
    found = [energy_landscape(model, row, axes, reach, TICKS) for row in rows]
    energies, taken = (torch.cat([getattr(each, name) for each in found]) for name in ("energies", "taken"))
    return Landscape(found[0].first, found[0].second, energies, taken)


def draw(model: WorldModel, train: Clips, test: Clips, past: int) -> WorldSight:
    """Pictures of imagined latents by a decoder that saw those of `train`. Raises ValueError where it cannot draw."""
    side = train.x.shape[-1]
    if side > DRAWN_SIDE and not train.x.is_cuda:
        raise ValueError(f"a decoder of pictures of {side} pixels takes too long to learn without a GPU")
    decoder = train_decoder(model, train, DRAWN_STEPS, Generator().manual_seed(0), DRAWN_BATCH)
    with torch.no_grad():
        rows = test.take(torch.arange(min(DRAWN, len(test.x))))
        latents = latents_of(model, rows)[:, past - 1 :]
        start, ahead = model.encode(rows.seen(0, past)), rows.actions[:, past - 1 :]
        coming = model.imagine(start, ahead.unsqueeze(1)).latent[:, 0]
        imagined = torch.cat([start.latent.unsqueeze(1), coming], dim=1)
        true = rows.x.transpose(1, 2)[:, past - 1 :]
        redrawn, dreamt = (decoder(each.flatten(0, 1)).unflatten(0, each.shape[:2]) for each in (latents, imagined))
        left_over = ((redrawn - true).square().mean() / true.var(dim=(0, 1), correction=0).mean()).item()
    return WorldSight(true.cpu(), redrawn.cpu(), dreamt.cpu(), left_over)
