"""What a doctor measures on a run: meters of every layer, time, predictor, gradients, latent variable and average."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from jepakit.app.report.record import read_record
from jepakit.app.report.sight import FLOP_BUDGET, with_pictures
from jepakit.app.symptoms import (
    AT_ONCE,
    Copying,
    Lag,
    read_copying,
    read_deafness,
    read_gradients,
    read_lag,
    read_latent,
)
from jepakit.contracts import BrokenSample, Dataset, Embedding, Rows, Step, shapes, step_at
from jepakit.pretrained import load_method, untrained
from jepakit.probes.features import evaluating
from jepakit.probes.health import dead_share, intraclass_correlation, spread, time_share, uniformity
from jepakit.probes.rank import alpha_req, feature_std, lidar, mean_cosine, rank_me
from jepakit.tokens import Tokens
from jepakit.train.checkpoint import folders, latest
from jepakit.train.log import read_run
from jepakit.train.run import Run
from jepakit.train.watch import ICC, RANK, RANK_BEHIND, draw_views

LEAST_SAMPLES = 8
BATCH = 32
"""Samples of the step whose gradients are looked at."""
DEEPEST = 96
"""More levels than any published encoder has."""

Meters = Mapping[str, float]


@dataclass(frozen=True)
class Embedded:
    """The meters of embeddings of a `width`, now and before training, and the highest rank that was read of them.

    Beside those of levels, "icc" is their intraclass correlation, which was `alike` at its highest: 1 where views do
    not differ.
    """

    width: int
    now: Meters
    fresh: Meters
    highest: float | None
    alike: float


@dataclass(frozen=True)
class Examination:
    """What was measured at a `step` of a run. None stands for what this method or these data do not have.

    `levels` holds the meters of each level of the kept backbone, the last one being its output; `fresh` those of the
    output before training; `embedding` is what is compared behind a head. `highest` is the highest rank that the run's
    own readings saw, where they can be compared, and `armed` whether its alarm listens by now. `moves` and `stirs` are
    the shares that clips and their features vary in time. `told` is the share of the error under a wrong past that the
    latent variable makes good, and `deaf` the error as a share of that under another sample's actions.
    """

    name: str
    step: int
    samples: int
    width: int
    views_differ: bool
    armed: bool
    levels: tuple[Meters, ...]
    fresh: Meters
    highest: float | None
    embedding: Embedded | None
    unmoved: tuple[str, ...]
    learning: int
    moves: float | None = None
    stirs: float | None = None
    copying: Copying | None = None
    lag: Lag | None = None
    told: float | None = None
    z_bits: float | None = None
    deaf: float | None = None

    @property
    def output(self) -> Meters:
        """The meters of what is kept."""
        return self.levels[-1]


def examine(
    folder: Path, checkpoint: int | None = None, device: torch.device | None = None, trusted: bool = False
) -> Examination:
    """Measures the newest checkpoint of a run, or the one of a step, on the samples that it learns from.

    Raises ValueError with one sentence for a folder without run or checkpoint, and for data that cannot be read.
    """
    run, record, source = read_run(folder, trusted), read_record(folder), choose(folder, checkpoint)
    step, device = int(source.name[5:]), device or torch.device("cpu")
    method = load_method(source, trusted).to(device)
    dataset, seen = _samples(run, step)
    count = affordable(method.kept, seen, run)
    views = draw_views(seen, count, run.watch.views).to(device)
    comparable = count == run.watch.samples
    readings = [line["watch"] for line in record.readings if line["step"] <= step] if comparable else []
    fresh = untrained(run.model, run.seed).eval().to(device)
    moment, batch = _question(run, dataset, step, device)
    (moves, stirs), (told, bits) = read_time(method.kept, views[0]), read_latent(method, batch, moment)
    return Examination(
        name=folder.resolve().name,
        step=step,
        samples=views.shape[1],
        width=method.kept.dim,
        views_differ=bool((views[0] != views[1]).any()),
        armed=step >= record.armed_from,
        levels=tuple(read_levels(method.kept, views)),
        fresh=read_levels(fresh.kept, views, only_last=True)[0],
        highest=_highest(readings, RANK),
        embedding=read_embedding(method, fresh, views, readings),
        moves=moves,
        stirs=stirs,
        copying=read_copying(method, batch, moment),
        lag=read_lag(method, views[0]),
        told=told,
        z_bits=bits,
        deaf=read_deafness(method, batch, moment),
        learning=sum(parameter.requires_grad for parameter in method.parameters()),
        unmoved=read_gradients(method, batch, moment),
    )


def choose(folder: Path, checkpoint: int | None) -> Path:
    """The folder of the checkpoint of a step, or of the newest one. Raises ValueError if it is not there."""
    there = folders(folder)
    if checkpoint is None:
        if (newest := latest(folder)) is None:
            raise ValueError(f"{folder} is a run without a whole checkpoint yet; wait for its first step-* folder")
        return newest
    steps = [int(path.name[5:]) for path in there]
    if checkpoint not in steps:
        kept = ", ".join(map(str, steps)) or "none"
        raise ValueError(f"{folder} has no checkpoint of step {checkpoint}; those that were kept: {kept}")
    return there[steps.index(checkpoint)]


def _highest(readings: Sequence[Meters], name: str) -> float | None:
    return max((reading[name] for reading in readings if name in reading), default=None)


def affordable(backbone: nn.Module, dataset: Dataset, run: Run) -> int:
    """As many samples as the run's alarm listens to, fewer for a network that takes long."""
    with evaluating(backbone), torch.inference_mode():
        sample = draw_views(dataset, 3, 1)[0, :1].to(next(backbone.parameters()).device)
        tokens = backbone(sample).values.shape[1]
    size = sum(parameter.numel() for parameter in backbone.parameters())
    return min(run.watch.samples, max(LEAST_SAMPLES, int(FLOP_BUDGET / (2 * size * tokens * run.watch.views))))


def read_levels(backbone: Any, views: Float[Tensor, "v s ..."], only_last: bool = False) -> list[dict[str, float]]:
    """The meters of each level, the first one first. A backbone of one level, such as a ConvNet, has one row."""
    count = 1 if only_last else count_levels(backbone, views[0, :1])
    layers = tuple(range(-count, 0)) if count > 1 else None
    with evaluating(backbone), torch.inference_mode():
        pooled = [backbone(part, layers=layers).pooled().float() for part in views.flatten(0, 1).split(AT_ONCE)]
    levels = torch.cat(pooled).clone().unflatten(0, views.shape[:2]).transpose(0, 1).chunk(count, dim=-1)
    return [read_meters(level) for level in levels]


def read_embedding(
    method: Any, fresh: Any, views: Float[Tensor, "v s ..."], readings: Sequence[Meters]
) -> Embedded | None:
    """The meters of what is compared, where that is not what the backbone gives; None where it is."""
    if not isinstance(method, Embedding) or not isinstance(fresh, Embedding):
        return None
    found = list[Float[Tensor, "s v d"]]()
    for each in (method, fresh):
        with evaluating(each), torch.inference_mode():
            pooled = [each.embed(part).pooled().float() for part in views.flatten(0, 1).split(AT_ONCE)]
        found.append(torch.cat(pooled).clone().unflatten(0, views.shape[:2]).transpose(0, 1))
    now, before = ({**read_meters(each), "icc": intraclass_correlation(each)} for each in found)
    rank, icc = (_highest(readings, name) for name in (RANK_BEHIND, ICC))
    return Embedded(found[0].shape[-1], now, before, rank, max(before["icc"], icc or 0.0))


def count_levels(backbone: Any, sample: Float[Tensor, "1 ..."]) -> int:
    """How many levels a backbone can give."""
    with evaluating(backbone), torch.inference_mode():
        for level in range(1, DEEPEST):
            try:
                backbone(sample, layers=(-level - 1,))
            except ValueError:
                return level
    return DEEPEST


def read_meters(features: Float[Tensor, "s v d"]) -> dict[str, float]:
    """All meters of v views of s samples; those of LiDAR know which views belong together.

    Raises ValueError for features that are not finite.
    """
    every, first = features.flatten(0, 1), features[:, 0]
    return {
        "spread": spread(first),
        "feature_std": feature_std(every),
        "rank_me": rank_me(every),
        "lidar": lidar(features),
        "alpha_req": alpha_req(every),
        "mean_cosine": mean_cosine(first),
        "uniformity": uniformity(first),
        "dead": dead_share(every),
    }


def read_time(backbone: Any, clips: Float[Tensor, "s ..."]) -> tuple[float | None, float | None]:
    """The shares of time in what differs in clips [s c t h w] and in their features; None for pictures."""
    if clips.ndim != 5:
        return None, None
    with evaluating(backbone), torch.inference_mode():
        found: list[Tokens] = [backbone(part) for part in clips.split(AT_ONCE)]
    extent, values = found[0].extent, torch.cat([tokens.values for tokens in found])
    if extent is None or extent[0] < 2 or values.shape[1] % extent[0]:
        return None, None
    moments = clips.unflatten(2, (extent[0], -1)).flatten(3).permute(0, 2, 3, 1)
    return time_share(moments), time_share(values.unflatten(1, (extent[0], -1)))


def _samples(run: Run, step: int) -> tuple[Dataset, Dataset]:
    """What the run learns from at a step, and the pictures of it."""
    begun = [stage.data for stage in run.stages if stage.begins * run.steps < step]
    data = begun[-1] if begun else run.data
    return data.build(), with_pictures(data).build()  # pyright: ignore[reportAttributeAccessIssue]


def _question(run: Run, dataset: Dataset, done: int, device: torch.device) -> tuple[Step, dict[str, Tensor]]:
    """A batch as the run reads them, of one shape, and the moment of its last step."""
    wanted = max(min(run.batch, BATCH), 2)
    samples: list[Mapping[str, Tensor]] = []
    for index in dataset.order(0, run.seed).tolist():
        try:
            samples.append(dataset.get(index, 0, run.seed))
        except BrokenSample:
            continue
        if len(samples) == wanted:
            break
    ((kept, _),) = Counter(map(shapes, samples)).most_common(1)
    samples = [sample for sample in samples if shapes(sample) == kept]
    batch = {name: torch.stack([sample[name] for sample in samples]).to(device) for name in samples[0]}
    rows = Rows(0, len(samples), len(samples))
    return step_at(max(done - 1, 0), run.steps, rows, run.seed), batch


def describe_levels(found: Examination) -> dict[str, Meters]:
    """The meters of everything by its name: levels by their numbers, the last being the output; then embeddings."""
    rows = {**dict(zip(map(str, range(len(found.levels) - 1)), found.levels, strict=False)), "output": found.output}
    rows["output before training"] = found.fresh
    if found.embedding is not None:
        rows |= {"embedding": found.embedding.now, "embedding before training": found.embedding.fresh}
    return rows
