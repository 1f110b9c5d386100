"""What is learnt, on real pictures: every cell its own resumable command that writes its raw JSON when it ends.

`python -m benchmarks.learning` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose: `python -m benchmarks.learning fashion.ijepa`. Raw files go to results/learning/, runs to runs/learning/.
`--again` measures anew what was measured already, from an empty folder, so that a figure can be checked.
"""

import argparse
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmarks.record import ROOT, origin
from jepakit.data.images import Images
from jepakit.family.ijepa import IJEPA
from jepakit.probes.finetune import FineTune
from jepakit.probes.knn import Knn
from jepakit.probes.linear import Linear
from jepakit.probes.lowshot import LowShot, PerClass, Share
from jepakit.probes.result import Probe, Result
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.recipes import images
from jepakit.train.fit import fit
from jepakit.train.run import Keep, Run
from jepakit.train.stops import Collapsed

SEEDS = (0, 1, 2)
PROBES: dict[str, Probe] = {
    "linear": Linear(),
    "knn": Knn(),
    "lowshot12": LowShot(amount=PerClass(labels=12)),
    "lowshot1": LowShot(amount=Share(share=0.01)),
}
FEW = Share(share=0.01)
SUPERVISED: dict[str, dict[str, FineTune]] = {
    "fashion": {
        "full": FineTune(rates=(1e-3,), steps=3_000),
        "lowshot1": FineTune(amount=FEW, rates=(1e-3,), steps=1_000),
    },
    "emoji": {
        "full": FineTune(rates=(1e-3,), steps=1_000),
        "lowshot1": FineTune(amount=FEW, rates=(3e-4,), steps=300),
    },
}
SUPERVISED["openclipart"] = SUPERVISED["emoji"]
"""Rates and lengths as `benchmarks.search` found them; all labels of Fashion-MNIST are gone through longer."""
KEEP = Keep(every=500)
"""Often enough for a run that collapses to leave a checkpoint: the alarm listens after warmup and rings at the third
reading."""
ABLATION_STEPS = 1_500


@dataclass(frozen=True)
class Cell:
    """One measurement with one seed: what to do, and under which claims its figures go."""

    name: str
    seed: int
    measure: Callable[["Cell"], dict[str, Any]]
    run: Run
    claims: dict[str, str]
    """Claim -> the figure of the measurement that it takes."""


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        found += headline("fashion", images.fashion(), seed)
        found += headline("emoji", images.emoji(), seed)
        found += headline("openclipart", images.openclipart(), seed)
        found += [ablation(name, run, seed) for name, run in ablations().items()]
    return {cell.name: cell for cell in found}


def headline(data: str, run: Run, seed: int) -> list[Cell]:
    """I-JEPA and its baselines: random init, raw pixels, and the same network trained with labels."""
    run = replace(run, seed=seed, keep=KEEP)
    probes = {name: name for name in PROBES}

    def cell(subject: str, measure: Callable[[Cell], dict[str, Any]], figures: dict[str, str]) -> Cell:
        claims = {f"{data}.{subject}.{claim}": figure for claim, figure in figures.items()}
        return Cell(f"{data}.{subject}.seed{seed}", seed, measure, run, claims)

    found = [
        cell("ijepa", pretrained, probes),
        cell("random_init", untrained, probes),
        cell("supervised", supervised, {"full": "full", "lowshot1": "lowshot1"}),
    ]
    return [*found, cell("raw", raw_pixels, probes)] if seed == SEEDS[0] else found


def ablations() -> dict[str, Run]:
    """One thing changed at a time on Fashion-MNIST, each with the same short budget."""
    base = replace(images.fashion(), steps=ABLATION_STEPS, probes=(), keep=Keep(every=100))

    def model(**changes: Any) -> Run:
        return replace(base, model=replace(base.model, **changes))

    return {
        "ablation.masks.multiblock": base,
        "ablation.masks.single": model(blocks=1, block_scale=(0.5, 0.6)),
        "ablation.masks.random": model(masks="random", random_keep=0.4),
        "ablation.context.scale": model(context_scale=(0.4, 0.6)),
        "ablation.context.overlap_kept": model(remove_targets=False),
        "ablation.targets.scale": model(block_scale=(0.05, 0.1)),
        "ablation.targets.count": model(blocks=2),
        "ablation.targets.pixels": model(target="pixels"),
        "ablation.crop.none": replace(base, data=replace(base.data, augment=None)),
        "collapse.no_stopgrad": model(target="shared"),
    }


def ablation(name: str, run: Run, seed: int) -> Cell:
    """A short run under one claim: linear accuracy, or the rank it ends with where it is meant to collapse."""
    claims = {f"{name}.rank": "rank"} if name.startswith("collapse") else {name: "linear", f"{name}.knn": "knn"}
    return Cell(f"{name}.seed{seed}", seed, pretrained, replace(run, seed=seed), claims)


def pretrained(cell: Cell) -> dict[str, Any]:
    """Trains, or goes on training, and probes what is kept. A collapse is a finding, not an error."""
    out, collapsed = folder_of(cell), None
    try:
        backbone = fit(cell.run, out, resume=(out / "run.json").exists()).kept
    except Collapsed as stop:
        from jepakit.pretrained import load

        collapsed, backbone = str(stop), load(str(out))
    backbone.transform = pictures(cell).transform
    log = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    readings = [line["watch"] | {"step": line["step"]} for line in log if "watch" in line]
    steps = [line for line in log if "loss" in line]
    gflops = sum(line["metrics"]["gflops"] for line in steps) / len(steps) * steps[-1]["step"]
    return {
        **probed("ijepa", backbone, cell),
        "rank": readings[-1]["rank_me"],
        "readings": readings,
        "collapsed": collapsed,
        "flops": gflops * 1e9,
        "train_seconds": steps[-1]["seconds"],
        "images_per_second": [line["images_per_second"] for line in steps][-1],
    }


def untrained(cell: Cell) -> dict[str, Any]:
    """The same network with the weights that training would have begun with."""
    return {**probed("random init", random_backbone(cell), cell), "flops": 0}


def raw_pixels(cell: Cell) -> dict[str, Any]:
    """No network at all."""
    return {**probed("raw pixels", None, cell), "flops": 0}


def supervised(cell: Cell) -> dict[str, Any]:
    """The same network trained from scratch, with all labels and with 1 % of them."""
    subject = Subject("supervised", random_backbone(cell), Splits.of(pictures(cell)))
    probes = SUPERVISED[cell.name.partition(".")[0]]
    rows = {name: probe.measure(subject, cell.seed) for name, probe in probes.items()}
    classes = int(torch.as_tensor(subject.splits.train.labels).max()) + 1
    flops = {name: flops_of_training(cell.run, probes[name], row.labels, classes) for name, row in rows.items()}
    return {**figures(rows), "flops": flops}


def flops_of_training(run: Run, probe: FineTune, labels: int, classes: int) -> int:
    """Operations of the one training that was chosen and is reported: a backward pass costs two forward ones.

    Trainings at the other rates, and on the part of the labels that chooses among them, are not counted, as those of
    the search for the recipe of I-JEPA are not. An epoch ends with a smaller batch.
    """
    model = run.model
    assert isinstance(model, IJEPA)
    batch = min(probe.batch, labels)
    epochs, rest = divmod(probe.steps, math.ceil(labels / batch))
    samples = epochs * labels + rest * batch
    return 3 * samples * (model.build().backbone.flops(math.prod(model.extent)) + 2 * model.dim * classes)


def pictures(cell: Cell) -> Images:
    data = cell.run.data
    assert isinstance(data, Images)
    return data


def random_backbone(cell: Cell) -> Any:
    torch.manual_seed(cell.seed)
    backbone = cell.run.model.build().kept
    backbone.transform = pictures(cell).transform
    return backbone


def probed(name: str, backbone: Any, cell: Cell) -> dict[str, Any]:
    """The probes whose figures the cell claims, on one subject."""
    subject = Subject(name, backbone, Splits.of(pictures(cell)))
    wanted = set(cell.claims.values()) & PROBES.keys()
    return figures({name: PROBES[name].measure(subject, cell.seed) for name in PROBES if name in wanted})


def figures(rows: dict[str, Result]) -> dict[str, Any]:
    """Accuracies by the name that claims use, and the whole results."""
    return {**{name: row.value for name, row in rows.items()}, "rows": [row.to_json() for row in rows.values()]}


def write(cell: Cell, found: dict[str, Any]) -> None:
    """The raw file of a cell."""
    flops = found["flops"]
    body = {
        "claims": {claim: found[figure] for claim, figure in cell.claims.items()},
        "seed": cell.seed,
        "unit": "accuracy" if "rank" not in cell.claims.values() else "effective rank",
        **found,
        "flops": {claim: flops[figure] for claim, figure in cell.claims.items()} if isinstance(flops, dict) else flops,
        "run": cell.run.to_json(),
        **origin(f"python -m benchmarks.learning {cell.name}"),
    }
    path_of(cell).parent.mkdir(parents=True, exist_ok=True)
    path_of(cell).write_text(json.dumps(body, indent=1) + "\n")


def path_of(cell: Cell) -> Path:
    return ROOT / "results" / "learning" / f"{cell.name}.json"


def folder_of(cell: Cell) -> Path:
    return ROOT / "runs" / "learning" / cell.name


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="names of cells, or how they begin; all if none is given")
    parser.add_argument("--list", action="store_true", help="say what there is and what is missing, and run nothing")
    parser.add_argument("--again", action="store_true", help="measure again what there is, from an empty folder")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    threadpool_limits(asked.threads)
    chosen = [cell for name, cell in cells().items() if not asked.names or name.startswith(tuple(asked.names))]
    for cell in chosen:
        if asked.list or (path_of(cell).exists() and not asked.again):
            print(f"{'done   ' if path_of(cell).exists() else 'missing'} {cell.name}", flush=True)
            continue
        if asked.again:
            shutil.rmtree(folder_of(cell), ignore_errors=True)
        print(f"running {cell.name}", flush=True)
        write(cell, cell.measure(replace(cell, run=replace(cell.run, threads=asked.threads, sinks=()))))


if __name__ == "__main__":
    main()
