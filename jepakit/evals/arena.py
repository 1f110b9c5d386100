"""The arena: members of the family and rivals, trained on the same data with as many operations, and probed alike."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from jepakit.config import Config
from jepakit.contracts import Method, Rows, step_at
from jepakit.data.clevr import Clevr
from jepakit.data.images import Images
from jepakit.data.scene_pictures import SEEN, ScenePictures
from jepakit.data.transforms import ImageTransform
from jepakit.evals.compatibility import judge, pairs_of
from jepakit.evals.contestants import CONTESTANTS, CROP, EVERYONE
from jepakit.evals.pace import few_labels, pace
from jepakit.parts.nn.networks import ViT
from jepakit.pretrained import load, untrained
from jepakit.probes.attentive import Attentive
from jepakit.probes.dense import Segmentation
from jepakit.probes.knn import Knn
from jepakit.probes.linear import Linear
from jepakit.probes.lowshot import LowShot, Share
from jepakit.probes.result import Probe
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.train.checkpoint import write_aside
from jepakit.train.fit import fit
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

BASELINES = ("random_init", "raw")
COMPARED = 256
"""Pictures whose energies are compared."""
ATTENTIVE = Attentive(samples="fixed", steps=500, decays=(0.01,))
"""A small grid, on tokens that are kept: sixty thousand pictures are encoded once."""
FEW = LowShot(amount=Share(share=0.01), draws=3, strengths=(1e-3, 1e-2, 1e-1, 1.0))
"""Fewer draws and penalties than elsewhere: there are many contestants, and seeds."""
DRAWS, SOME = 100, 4
"""Steps whose operations are averaged: how much masks hide differs from draw to draw. If it is the same in the first
`SOME`, nothing is drawn."""
COSTS = ("cpu_seconds", "flop", "samples")
MINUTES = 10
"""A cell that takes longer gets a warning."""


@dataclass(frozen=True)
class Question:
    """A probe, and the labeled pictures that it is asked about."""

    probe: Probe
    data: Images


def questions(data: Images) -> dict[str, Question]:
    """What all are asked, by the name that stands in the table: of scenes, what is known of scenes alone."""
    plain = replace(data, augment=None, views=None)
    if isinstance(plain, ScenePictures | Clevr):
        asked = {
            "count": Question(Linear(), replace(plain, label="count")),
            "distance": Question(Linear(), replace(plain, label="distance")),
        }
        if isinstance(plain, Clevr):
            return asked
        return {**asked, "segmentation": Question(Segmentation(classes=SEEN), replace(plain, truth=True))}
    probes = {"linear": Linear(), "knn": Knn(), "lowshot1": FEW, "attentive": ATTENTIVE}
    return {name: Question(probe, plain) for name, probe in probes.items()}


@dataclass(frozen=True, kw_only=True)
class Arena(Config):
    """Who is compared with whom, on what and for how long.

    Every contestant trains around `network` with `tflop` operations and the same optimizer, on the same pictures; what
    it looks at (crops, distorted views) is its own. `points` checkpoints of each are kept, evenly spaced; the curve
    asks the first question of those that `spaced` names, and of the network before it is trained.
    """

    data: Images
    network: ViT
    tflop: float
    contestants: tuple[str, ...] = tuple(CONTESTANTS)
    seeds: tuple[int, ...] = (0, 1, 2)
    batch: int = 64
    optimizer: AdamW = field(default_factory=lambda: AdamW(start=0.0, end=1e-5, warmup=0.05, decay=(0.05, 0.05)))
    points: int = 16
    threads: int | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.contestants if name not in EVERYONE]:
            raise ValueError(f"there is no contestant {unknown[0]!r}; there are {', '.join(EVERYONE)}")
        for what, named in (("contestants", self.contestants), ("seeds", self.seeds)):
            if twice := [each for each in named if named.count(each) > 1]:
                raise ValueError(f"{what} name {twice[0]} twice, whose rows would count twice; name each once")
        if self.tflop <= 0 or self.batch < 2 or self.points < 1 or not self.seeds:
            raise ValueError("an arena needs tflop above 0, a batch of 2 or more, 1 point or more, and a seed")

    def run(self, name: str, seed: int) -> Run:
        """The training of one contestant: as many steps as its operations allow."""
        contestant = EVERYONE[name]
        model = contestant.model(self.network)
        if contestant.views is None:
            data = replace(self.data, augment=CROP, views=None)
        else:
            size = self.data.transform.size
            data = replace(self.data, augment=None, views=contestant.views.at(size, size // 2))
        probe = Run(model=model, data=data, steps=1, batch=self.batch)
        steps = max(round(self.tflop * 1e12 / (operations(probe) * self.batch)), self.points)
        every = -(-steps // self.points)
        return replace(
            probe, steps=steps, seed=seed, optimizer=self.optimizer, threads=self.threads, sinks=(), workers=0,
            watch=Watch(action="warn"), keep=Keep(every=every, last=1, forever=every),
        )  # fmt: skip


SMALL = ViT(image=(64, 64), dim=192, depth=4, heads=6, initialization="fan_in")
GRAY = Arena(
    data=Images(), network=replace(SMALL, image=(28, 28), patch=7, channels=1, dim=128, heads=4), tflop=10.0, threads=1
)
"""Fashion-MNIST, 16 tokens a picture."""
COLOR = Arena(
    data=Images(root="packaged:emoji", transform=ImageTransform(size=64)), network=SMALL, tflop=20.0, threads=1
)
"""Emoji of 64 pixels, or any other colored pictures."""
SCENES = Arena(
    data=ScenePictures(), network=replace(SMALL, patch=8, dim=128, heads=4), tflop=20.0, threads=1,
    contestants=("ijepa", "lejepa", "mae", "ibot", "dino", "dino_crops", "simclr", "simclr_crops"),
)  # fmt: skip
"""How many things, how near the nearest, and what is where: asked of methods with hand-made distortions and without."""
CLEVR = replace(SCENES, data=Clevr(transform=ImageTransform(size=64)))
"""The same of the real pictures, in the folder that their authors ship: `data.root`."""
ARENAS = {"arena": GRAY, "arena_color": COLOR, "arena_scenes": SCENES, "arena_clevr": CLEVR}


def operations(run: Run, draws: int = DRAWS) -> float:
    """Operations of a training step for one sample: what the method itself reports, averaged over some draws.

    Masks are those of a whole batch, in which all are cut to the shortest: two samples alone would see more.
    """
    dataset = run.data.build()
    first = dataset.get(0, 0, 0)
    pair = {name: torch.stack([value, value]) for name, value in first.items()}
    method = untrained(run.model, 0)
    assert isinstance(method, Method)
    rows, found = Rows(0, 2, max(run.batch, 2)), list[float]()
    with torch.no_grad():
        for draw in range(draws):
            found.append(float(method(pair, step_at(draw, draws, rows)).metrics["gflops"]))
            if len(found) == SOME and min(found) == max(found):
                break
    return fmean(found) * 1e9 / rows.total


def compete(arena: Arena, out: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Runs what is missing, and returns all rows; each is written to `out` as soon as it is there.

    Raises ValueError if `out` holds the rows of another arena, or if a contestant cannot be built.
    """
    for name in arena.contestants:
        arena.run(name, arena.seeds[0])  # before the folder is claimed: what cannot be built shall not hold it
    _claim(arena, out)
    rows, planned = [], list(entries(arena))
    for number, (name, seed) in enumerate(planned, start=1):
        path = out / "rows" / f"{name}.seed{seed}.json"
        row = _read(path)
        if row is None:
            tell(f"{number} of {len(planned)}: {name}, seed {seed}")
            started = time.perf_counter()
            row = contest(arena, name, seed, out)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_aside(path, json.dumps(row, indent=1) + "\n")
            tell(_took(arena, time.perf_counter() - started))
        rows.append(row)
    return rows


def _read(path: Path) -> dict[str, Any] | None:
    """What a file holds; None where there is none, or where it was not written to its end."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _took(arena: Arena, seconds: float) -> str:
    """How long a cell took, and what to do if that is too long."""
    told = f"  took {seconds:.0f} s"
    if seconds <= 60 * MINUTES:
        return told
    less = arena.tflop * 60 * MINUTES / seconds
    return f"{told}, more than {MINUTES} minutes; --tflop {less:.2g} into another --out would take about {MINUTES}"


def entries(arena: Arena) -> Iterator[tuple[str, int]]:
    """Who is measured with which seed: all with the first one, then all with the next. Raw pixels need none."""
    for seed in arena.seeds:
        yield from ((name, seed) for name in (*arena.contestants, "random_init"))
        if seed == arena.seeds[0]:
            yield "raw", seed


def _claim(arena: Arena, out: Path) -> None:
    """Notes in `out` whose rows these are: other seeds or more contestants may join, nothing else may differ."""
    path, shared = out / "arena.json", replace(arena, seeds=(0,), contestants=(), threads=None).to_json()
    if _read(path) not in (None, shared):
        raise ValueError(f"{out} holds an arena with other data, network or budget; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_aside(path, json.dumps(shared, indent=1) + "\n")


def contest(arena: Arena, name: str, seed: int, out: Path) -> dict[str, Any]:
    """Trains one contestant, or goes on with it, and measures it; or measures a baseline."""
    if name in BASELINES:
        backbone = untrained(arena.network, seed) if name == "random_init" else None
        return {"contestant": name, "seed": seed, "flops": 0, **probed(arena, name, backbone, seed), "curve": []}
    run, folder = arena.run(name, seed), run_folder(out, name, seed)
    method: Method = fit(run, folder, resume=(folder / "run.json").exists())
    points = curve(arena, run, folder)
    return {
        "contestant": name,
        "seed": seed,
        "flops": points[-1]["flop"],
        "cpu_seconds": points[-1]["cpu_seconds"],
        "samples": points[-1]["samples"],
        "rank": rank_of(folder),
        **probed(arena, name, method.kept, seed),
        "energy": energy(run, method),
        "curve": points,
        "run": run.to_json(),
    }


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Where the training of a contestant lies."""
    return out / "runs" / f"{name}.seed{seed}"


def probed(arena: Arena, name: str, backbone: Any, seed: int) -> dict[str, Any]:
    """All probes on one backbone, or on raw pixels."""
    asked = questions(arena.data)
    subjects = {question.data: Subject(name, backbone, Splits.of(question.data)) for question in asked.values()}
    rows = {title: question.probe.measure(subjects[question.data], seed) for title, question in asked.items()}
    return {"probes": {title: row.value for title, row in rows.items()},
            "results": [row.to_json() for row in rows.values()]}  # fmt: skip


def energy(run: Run, method: Method) -> Mapping[str, float]:
    """Whether the method's own energy tells what belongs together, on views of pictures of the test part."""
    assert isinstance(run.data, Images)
    test = run.data.split("test", augmented=True)
    assert test is not None, "what has labels has a test part"
    x, y = pairs_of(test, COMPARED, same=run.data.views is None)
    return judge(method, x, y)


def rank_of(folder: Path) -> float:
    """RankMe of the features at the end of a run."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["watch"]["rank_me"] for line in lines if "watch" in line][-1]


def logged(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log that are about steps."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line]


def curve(arena: Arena, run: Run, folder: Path) -> list[dict[str, Any]]:
    """What is told right on the validation part before training and after each of `spaced`, and what it took.

    Seconds are CPU-seconds of the training alone. Checkpoints that an interruption left are passed over.
    """
    lines, splits = logged(folder), few_labels(next(iter(questions(arena.data).values())).data)
    gflops = fmean(line["metrics"]["gflops"] for line in lines)
    steps, seconds = ([line[key] for line in lines] for key in ("step", "cpu_seconds"))
    before = untrained(run.model, run.seed).kept
    points = [{"step": 0, "score": pace(before, splits, run.seed), **dict.fromkeys(COSTS, 0.0)}]
    for step in sorted({min(number * run.keep.every, run.steps) for number in spaced(arena.points)}):
        points.append({
            "step": step,
            "score": pace(load(folder / f"step-{step:08d}"), splits, run.seed),
            "cpu_seconds": float(np.interp(step, steps, seconds)),
            "flop": gflops * 1e9 * step,
            "samples": step * arena.batch,
        })  # fmt: skip
    return points


def spaced(points: int) -> list[int]:
    """The checkpoints number 1, 2, 3, 4, 6, 8, 12 and so on, and the last: what is fast is seen early."""
    found = {base << shift for base in (1, 3) for shift in range(points.bit_length())}
    return sorted(number for number in found | {points} if number <= points)


def reached(points: Sequence[dict[str, Any]], target: float) -> dict[str, float] | None:
    """CPU-seconds, FLOP and samples until as much as `target` was told right; None where it never was."""
    for point in points:
        if point["score"] >= target:
            return {kind: point[kind] for kind in COSTS}
    return None
