"""The way of a run: loss, rates, speed, and the meters that tell collapse."""

from collections.abc import Sequence

from jepakit.app.report.charts import Chart, Curve, draw
from jepakit.app.report.layout import missing, section
from jepakit.app.report.record import Record
from jepakit.app.report.sight import Sight
from jepakit.app.report.wording import Number, escape, number, percent, small, tick
from jepakit.probes.rank import rank_me, spectrum
from jepakit.train.optimize import AdamW

COUNTED_ELSEWHERE = {"gflops"}
"""Metrics that stand among the costs of the run, and need no curve."""

FAINTEST = 1e-9
"""Shares below this are rounding, not information, and are not drawn."""

METERS = {
    "lidar": (
        "LiDAR",
        "Directions that tell samples apart, measured against how much views of one sample differ. "
        "It falls in a collapse, and noise in the features does not raise it.",
    ),
    "alpha_req": (
        "Decay of the spectrum (alpha-ReQ)",
        "About 1 is healthy. Far above it a few directions carry everything; near 0 all are alike, as in noise.",
    ),
    "feature_std": (
        "Spread of features",
        "The standard deviation of each feature over the samples. At 0 every sample gets the same features: "
        "a complete collapse.",
    ),
    "mean_cosine": (
        "Cosine between samples",
        "How alike the features of different samples are. Near 1 all of them point the same way.",
    ),
}


def show_meters(record: Record, sight: Sight | None) -> str:
    """Did it collapse? The rank with its alarm, the other meters, and the spectrum beside the untrained network's."""
    charts = []
    if record.readings:
        charts = [_rank(record), *(_meter(record, name) for name in METERS)]
    if sight is not None:
        charts.append(_spectrum(sight))
    body = f'<div class="charts">{"".join(map(draw, charts))}</div>' if charts else ""
    if not record.readings:
        body += missing("No meter was read while this run trained", "jepakit train RECIPE --watch.action warn")
    watch = record.watch
    lede = (
        "A collapsed JEPA has a beautiful loss: it gives every sample the same features and predicts them perfectly. "
        f"These meters look at the features themselves, on {watch.samples} training samples, {watch.views} views each."
    )
    return section("collapse", "Did it collapse?", lede, body)


def show_curves(record: Record, sight: Sight | None) -> str:
    """Loss and its terms, what the method reports, rate, decay, momentum and speed over time."""
    if not record.log:
        return section(
            "training", "Training", "", missing("Nothing was logged yet", f"jepakit train --resume {record.folder}")
        )
    curves = [_loss(record, sight), *_probes(record), *_schedules(record, sight), *_metrics(record), *_speed(record)]
    lede = "Move over a curve, or focus it and use the arrow keys, to read the same step in all of them."
    return section("training", "Training", lede, f'<div class="charts">{"".join(map(draw, curves))}</div>')


def _rank(record: Record) -> Chart:
    steps = [line["step"] for line in record.readings]
    limits = [limit if step >= record.armed_from else None for step, limit in zip(steps, record.limits(), strict=True)]
    watch = record.watch
    explains = (
        "How many directions the features use. A collapse shows here first, as a fall towards 1. Dashed: the alarm, at "
        f"{watch.share:g} of the highest reading and never below {watch.floor:g}; it rings when {watch.readings} "
        f"readings in a row are lower, from step {record.armed_from:,.0f} on."
    )
    curves = [_read(record, "rank_me", "rank"), Curve("alarm", steps, limits, "alarm", dashed=True)]
    return Chart("Effective rank (RankMe)", curves, explains, (0, record.steps), from_zero=True)


def _meter(record: Record, name: str) -> Chart:
    title, explains = METERS[name]
    return Chart(title, [_read(record, name, title)], explains, (0, record.steps), from_zero=True)


def _read(record: Record, name: str, title: str) -> Curve:
    steps = [line["step"] for line in record.readings]
    return Curve(title, steps, [line["watch"][name] for line in record.readings])


def _spectrum(sight: Sight) -> Chart:
    """Eigenvalues as shares of the mean squared length, which a collapse to one point makes small, not just steep."""
    curves, ranks = [], []
    for name, seen, tone in (("trained", sight.trained, "trained"), ("before training", sight.fresh, "fresh")):
        length = seen.pooled.double().square().sum(dim=1).mean().clamp(min=1e-30)
        shares = (spectrum(seen.pooled) / length).tolist()
        visible = [share if share >= FAINTEST else None for share in shares]
        curves.append(Curve(name, range(1, len(shares) + 1), visible, tone))
        ranks.append(number(rank_me(seen.pooled)))
    explains = (
        f"How much the features of different {sight.word}s differ along each direction, largest first, as a share of "
        "their mean squared length, on a log scale. "
        "In a collapse the whole line sinks, or breaks off after a few directions: "
        f"effective rank {ranks[0]} trained, {ranks[1]} before, on {len(sight.gallery):,} {sight.word}s of "
        f"{escape(sight.part)}."
    )
    return Chart(
        title="Spectrum of the covariance",
        curves=curves,
        explains=explains,
        x_range=(1, max(len(curve.x) for curve in curves)),
        x_name="direction",
        sync="spectrum",
        log=True,
        latest=False,
        write=small,
        mark=small,
    )


def _loss(record: Record, sight: Sight | None) -> Chart:
    curves = [_logged(record, "loss", [line["loss"] for line in record.log])]
    terms = list(record.log[-1]["terms"])
    if len(terms) > 1:
        tones = ("fresh", "raw", "other")
        for place, term in enumerate(terms):
            values = _pick(record, "terms", term)
            curves.append(_logged(record, term, values, tones[place % len(tones)]))
    if sight is not None and sight.fixed_answers:
        explains = (
            "The answers are pixels, or those of a network that stands still: a loss that falls is what to expect."
        )
    else:
        explains = (
            "A loss that rises is normal here: the answers come from the network itself and get harder to predict as "
            "they get richer. A loss that sinks to nothing is the suspicious one. Read it together with the rank."
        )
    return Chart("Loss", curves, explains, (0, record.steps))


def _probes(record: Record) -> list[Chart]:
    explains = "A quick probe on a few held-out samples while training: for its direction, not for its exact value."
    charts = []
    for name in sorted({name for line in record.online for name in line["probe"]}):
        lines = [line for line in record.online if name in line["probe"]]
        curve = Curve(name, [line["step"] for line in lines], [line["probe"][name] for line in lines])
        title, span = f"Online probe: {name}", (0, record.steps)
        charts.append(Chart(title, [curve], explains, span, write=percent, mark=whole_percent))
    return charts


def _metrics(record: Record) -> list[Chart]:
    explains = "Reported by the method itself; it is watched and not minimized."
    charts = []
    for name in sorted(record.log[-1]["metrics"].keys() - COUNTED_ELSEWHERE):
        values = _pick(record, "metrics", name)
        charts.append(
            Chart(name.replace("_", " ").capitalize(), [_logged(record, name, values)], explains, (0, record.steps))
        )
    return charts


def _schedules(record: Record, sight: Sight | None) -> list[Chart]:
    rate = _logged(record, "rate", [line["rate"] for line in record.log])
    decay = _logged(record, "decay", [line["decay"] for line in record.log])
    span = (0, record.steps)
    charts = [
        Chart("Learning rate", [rate], _course_of_rate(record.optimizer), span, from_zero=True),
        Chart("Weight decay", [decay], f"{_course_of_decay(record.optimizer)}; biases and vectors have none.", span),
    ]
    if sight is not None and sight.averaged:
        momentum = sight.method.target.momentum
        curve = _logged(record, "momentum", [momentum(line["progress"]) for line in record.log])
        explains = (
            "How slowly the network that answers follows the one that learns. At 1 it stands still. "
            "If a run collapses, a slower target is the first thing to try."
        )
        charts.append(Chart("Momentum of the target", [curve], explains, span, write=lambda value: f"{value:.5f}"))
    return charts


def _course_of_rate(optimizer: AdamW) -> str:
    warmup = "Up during warmup, then " if optimizer.warmup > 0 else "It goes "
    if optimizer.cooldown is not None:
        return f"{warmup}constant, and down a line during the cooldown."
    return f"{warmup}down a cosine{', whose end would come later' if optimizer.horizon > 1 else ''}."


def _course_of_decay(optimizer: AdamW) -> str:
    first, last = optimizer.decay
    if first == last:
        return "The same throughout"
    return f"It {'rises' if first < last else 'falls'} along a cosine"


def _speed(record: Record) -> list[Chart]:
    speed = _logged(record, "samples a second", [line["images_per_second"] for line in record.log], "raw")
    wait = _logged(record, "waiting", [line["wait_share"] for line in record.log], "raw")
    span = (0, record.steps)
    return [
        Chart("Samples a second", [speed], "Dips are checkpoints, probes, or a busy machine.", span, from_zero=True),
        Chart(
            "Waiting for data",
            [wait],
            "The share of the time in which there was nothing to compute with. More workers lower it.",
            span,
            from_zero=True,
            write=percent,
            mark=whole_percent,
        ),
    ]


def _pick(record: Record, group: str, name: str) -> list[Number | None]:
    """One number of every logged step; a gap where a step did not report it."""
    return [line[group][name] if name in line[group] else None for line in record.log]  # noqa: SIM401


def _logged(record: Record, name: str, values: Sequence[Number | None], tone: str = "trained") -> Curve:
    return Curve(name, [line["step"] for line in record.log], values, tone)


def whole_percent(share: Number) -> str:
    """A share on an axis: 5 %, 2.5 %."""
    return f"{tick(100 * share)} %"
