"""The arena: members of the family and rivals, trained on the same data with as many operations, and probed alike."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from jepakit.config import Config
from jepakit.contracts import Method, Rows, step_at
from jepakit.data.images import Images
from jepakit.data.scene_pictures import SEEN, ScenePictures
from jepakit.data.transforms import ImageTransform
from jepakit.evals.compatibility import judge, pairs_of
from jepakit.evals.contestants import CONTESTANTS, CROP, EVERYONE
from jepakit.parts.nn.networks import ViT
from jepakit.pretrained import load
from jepakit.probes.attentive import Attentive
from jepakit.probes.dense import Segmentation
from jepakit.probes.knn import Knn
from jepakit.probes.linear import Linear
from jepakit.probes.lowshot import LowShot, Share
from jepakit.probes.result import Probe
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
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
DRAWS = 4
"""Steps whose operations are averaged: how much masks hide differs from draw to draw."""


@dataclass(frozen=True)
class Question:
    """A probe, and the labeled pictures that it is asked about."""

    probe: Probe
    data: Images


def questions(data: Images) -> dict[str, Question]:
    """What all are asked, by the name that stands in the table: of scenes, what is known of scenes alone."""
    plain = replace(data, augment=None, views=None)
    if isinstance(plain, ScenePictures):
        return {
            "count": Question(Linear(), replace(plain, label="count")),
            "distance": Question(Linear(), replace(plain, label="distance")),
            "segmentation": Question(Segmentation(classes=SEEN), replace(plain, truth=True)),
        }
    probes = {"linear": Linear(), "knn": Knn(), "lowshot1": FEW, "attentive": ATTENTIVE}
    return {name: Question(probe, plain) for name, probe in probes.items()}


@dataclass(frozen=True, kw_only=True)
class Arena(Config):
    """Who is compared with whom, on what and for how long.

    Every contestant trains around `network` with `tflop` operations and the same optimizer, on the same pictures; what
    it looks at (crops, distorted views) is its own. `points` checkpoints of each are probed by kNN for the curve.
    """

    data: Images
    network: ViT
    tflop: float
    contestants: tuple[str, ...] = tuple(CONTESTANTS)
    seeds: tuple[int, ...] = (0, 1, 2)
    batch: int = 64
    optimizer: AdamW = field(default_factory=lambda: AdamW(start=0.0, end=1e-5, warmup=0.05, decay=(0.05, 0.05)))
    points: int = 5
    threads: int | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.contestants if name not in EVERYONE]:
            raise ValueError(f"there is no contestant {unknown[0]!r}; there are {', '.join(EVERYONE)}")
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
        return replace(
            probe, steps=steps, seed=seed, optimizer=self.optimizer, threads=self.threads, sinks=(),
            watch=Watch(action="warn"), keep=Keep(every=-(-steps // self.points), last=self.points + 1),
        )  # fmt: skip


SMALL = ViT(image=(64, 64), dim=192, depth=4, heads=6, initialization="fan_in")
GRAY = Arena(
    data=Images(), network=replace(SMALL, image=(28, 28), patch=7, channels=1, dim=128, heads=4), tflop=10.0, threads=1
)
"""Fashion-MNIST, 16 tokens a picture."""
COLOR = Arena(
    data=Images(root="packaged:emoji", transform=ImageTransform(size=64)), network=SMALL, tflop=40.0, threads=1
)
"""Emoji of 64 pixels, or any other colored pictures."""
SCENES = Arena(
    data=ScenePictures(), network=replace(SMALL, patch=8, dim=128, heads=4), tflop=20.0, threads=1,
    contestants=("ijepa", "lejepa", "mae", "dino", "dino_crops", "simclr", "simclr_crops"),
)  # fmt: skip
"""How many things, how near the nearest, and what is where: asked of methods with hand-made distortions and without."""
ARENAS = {"arena": GRAY, "arena_color": COLOR, "arena_scenes": SCENES}


def operations(run: Run, draws: int = DRAWS) -> float:
    """Operations of a training step for one sample: what the method itself reports, averaged over some draws."""
    dataset = run.data.build()
    first = dataset.get(0, 0, 0)
    batch = {name: torch.stack([value, value]) for name, value in first.items()}
    torch.manual_seed(0)
    method = run.model.build()
    assert isinstance(method, Method)
    rows = Rows(0, 2, 2)
    with torch.no_grad():
        found = [float(method(batch, step_at(draw, draws, rows)).metrics["gflops"]) for draw in range(draws)]
    return fmean(found) * 1e9 / 2


def compete(arena: Arena, out: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Runs what is missing, and returns all rows; each is written to `out` as soon as it is there.

    Raises ValueError if `out` holds the rows of another arena.
    """
    _claim(arena, out)
    rows = []
    for name, seed in entries(arena):
        path = out / "rows" / f"{name}.seed{seed}.json"
        if not path.exists():
            tell(f"{name}, seed {seed}")
            row = contest(arena, name, seed, out)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(row, indent=1) + "\n")
        rows.append(json.loads(path.read_text()))
    return rows


def entries(arena: Arena) -> Iterator[tuple[str, int]]:
    """Who is measured with which seed: all with the first one, then all with the next. Raw pixels need none."""
    for seed in arena.seeds:
        yield from ((name, seed) for name in (*arena.contestants, "random_init"))
        if seed == arena.seeds[0]:
            yield "raw", seed


def _claim(arena: Arena, out: Path) -> None:
    """Notes in `out` whose rows these are: other seeds or more contestants may join, nothing else may differ."""
    path, shared = out / "arena.json", replace(arena, seeds=(0,), contestants=(), threads=None).to_json()
    if path.exists() and json.loads(path.read_text()) != shared:
        raise ValueError(f"{out} holds an arena with other data, network or budget; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(shared, indent=1) + "\n")


def contest(arena: Arena, name: str, seed: int, out: Path) -> dict[str, Any]:
    """Trains one contestant, or goes on with it, and measures it; or measures a baseline."""
    if name in BASELINES:
        torch.manual_seed(seed)
        backbone = arena.network.build() if name == "random_init" else None
        return {"contestant": name, "seed": seed, "flops": 0, **probed(arena, name, backbone, seed), "curve": []}
    run, folder = arena.run(name, seed), out / "runs" / f"{name}.seed{seed}"
    method: Method = fit(run, folder, resume=(folder / "run.json").exists())
    points = curve(arena, folder, logged(folder), seed)
    return {
        "contestant": name,
        "seed": seed,
        "flops": points[-1]["flop"],
        "seconds": points[-1]["seconds"],
        "samples": points[-1]["samples"],
        "rank": rank_of(folder),
        **probed(arena, name, method.kept, seed),
        "energy": energy(run, method),
        "curve": points,
        "run": run.to_json(),
    }


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


def curve(arena: Arena, folder: Path, steps: Sequence[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """What kNN says on the validation part after each checkpoint, and what it took until there."""
    gflops, seconds = (
        fmean(line["metrics"]["gflops"] for line in steps),
        {line["step"]: line["seconds"] for line in steps},
    )
    splits, points = Splits.of(replace(arena.data, augment=None, views=None)), []
    for checkpoint in sorted(folder.glob("step-*")):
        step = int(checkpoint.name.removeprefix("step-"))
        row = Knn().measure(Subject(folder.name, load(checkpoint), splits), seed)
        points.append({
            "step": step,
            "score": row.chosen["validation"],
            "flop": gflops * 1e9 * step,
            "samples": step * arena.batch,
            "seconds": seconds[min(seconds, key=lambda logged_at: abs(logged_at - step))],
        })  # fmt: skip
    return points


def reached(points: Sequence[dict[str, Any]], target: float) -> dict[str, float] | None:
    """Seconds, FLOP and samples until kNN on the validation part was as good as `target`; None where it never was."""
    for point in points:
        if point["score"] >= target:
            return {kind: point[kind] for kind in ("seconds", "flop", "samples")}
    return None
