"""What is learnt, on real pictures.

`python -m benchmarks.learning` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose: `python -m benchmarks.learning fashion.ijepa`. `--again` measures anew what was measured already, from an empty
folder, so that a figure can be checked.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from benchmarks.cells import SEEDS, Cell, train
from benchmarks.cells import main as run_cells
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
from jepakit.train.run import Keep, Run

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


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        found += headline("fashion", images.fashion(), seed)
        found += headline("emoji", images.emoji(), seed)
        found += headline("openclipart", images.openclipart(), seed)
        found.append(longer("openclipart", images.openclipart(), seed))
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


def longer(data: str, run: Run, seed: int) -> Cell:
    """I-JEPA with three times the steps: whether the budget is what holds it back."""
    run = replace(run, steps=3 * run.steps, seed=seed, keep=KEEP)
    claims = {f"{data}.ijepa_long.{name}": name for name in PROBES}
    return Cell(f"{data}.ijepa_long.seed{seed}", seed, pretrained, run, claims)


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
    units = {"rank": "effective rank"}
    return Cell(f"{name}.seed{seed}", seed, pretrained, replace(run, seed=seed), claims, units)


def pretrained(cell: Cell) -> dict[str, Any]:
    """Trains, and probes what is kept."""
    backbone, facts = train(cell)
    backbone.transform = pictures(cell).transform
    return {**probed("ijepa", backbone, cell), **facts}


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


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.learning", __doc__)


if __name__ == "__main__":
    main()
