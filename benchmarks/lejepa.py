"""What LeJEPA claims, on Fashion-MNIST: it never collapses, and its loss ranks models as a probe with labels does.

`python -m benchmarks.lejepa` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. The grid is learning rates times architectures times trade-offs, short trainings without average, stop-gradient
or teacher; a training has collapsed if the alarm rang, for features or for embeddings, as it has to in one more without
SIGReg, where nothing prevents a collapse. The loss of LeJEPA is compared with a linear probe twice: at the end, over
all of the grid, and over the checkpoints of each training. `scaling.dim` is how a linear probe of the backbone, and the
rank of embeddings, follow the width of the embedding for a contrastive loss, VICReg's and SIGReg.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from scipy.stats import spearmanr

from benchmarks.cells import SEEDS, Cell, folder_of, read_log, train
from benchmarks.cells import main as run_cells
from jepakit.config import Config
from jepakit.contracts import Dataset
from jepakit.data import views
from jepakit.data.images import Images
from jepakit.evals.pace import few_labels, pace
from jepakit.family.lejepa import LeJEPA
from jepakit.methods.multiview import MultiView
from jepakit.parts.nn.convnet import ConvNeXt, ResNet
from jepakit.parts.nn.networks import Network, ViT
from jepakit.pretrained import load
from jepakit.probes.features import batches
from jepakit.probes.linear import Linear
from jepakit.probes.rank import rank_me
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.recipes.images import SMALL
from jepakit.rivals.simclr import SimCLR
from jepakit.rivals.vicreg import VICReg
from jepakit.train.fit import fit
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

STEPS, BATCH = 300, 64
SIDE = 28
DATA = Images(views=views.SIMCLR.at(SIDE, SIDE // 2))
NETWORKS: dict[str, Network] = {
    "vit": ViT(image=(SIDE, SIDE), patch=7, channels=1, dim=128, depth=4, heads=4, initialization="fan_in"),
    "resnet": ResNet(image=(SIDE, SIDE), channels=1, widths=(16, 32, 64, 128), blocks=1, shrink=1),
    "convnext": ConvNeXt(image=(SIDE, SIDE), channels=1, patch=4, widths=(48, 96), depths=(2, 2), share=1.0),
}
RATES = (3e-4, 1e-3, 3e-3)
TRADE_OFFS = (0.02, 0.1)
LAST = 5
"""Logged steps whose losses are averaged."""
EVERY = 60
"""Steps from checkpoint to checkpoint."""
LABELS = 5_000
"""Of the training and of the validation part: ninety checkpoints are probed."""
EMBEDDED = 2_048
"""Pictures whose embeddings have a rank: twice as many as the widest has numbers."""
WIDTHS = (16, 64, 256, 1024)
UNITS = {
    "loss_probe_spearman": "correlation", "loss_probe_spearman.checkpoints": "correlation", "collapsed_runs": "runs",
    "grid_runs": "runs", "control_collapsed": "runs",
}  # fmt: skip


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        claims = {f"lejepa.{figure}": figure for figure in UNITS}
        found.append(Cell(f"lejepa.grid.seed{seed}", seed, grid, run_of(LeJEPA(), seed), claims, UNITS))
        found += [
            width(loss, dim, seed) for loss, dim in itertools.product(("contrastive", "vicreg", "sigreg"), WIDTHS)
        ]
    return {cell.name: cell for cell in found}


def run_of(model: Config, seed: int) -> Run:
    """A short training that is watched, and goes on if the alarm rings."""
    return Run(
        model=model, data=DATA, steps=STEPS, batch=BATCH, seed=seed, optimizer=SMALL,
        keep=Keep(every=EVERY, last=1, forever=EVERY), watch=Watch(action="warn", every=50),
    )  # fmt: skip


def grid(cell: Cell) -> dict[str, Any]:
    """Every training of the grid: whether the alarm rang, and its loss and its probe, checkpoint by checkpoint."""
    rows, splits = [], few_labels(replace(DATA, views=None), LABELS, LABELS)
    for name, rate, share in itertools.product(NETWORKS, RATES, TRADE_OFFS):
        run = replace(cell.run, model=grid_model(name, share), optimizer=replace(SMALL, peak=rate))
        own = replace(cell, name=f"{cell.name}.{name}.{rate:g}.{share:g}", run=run)
        facts, log = train(own)[1], read_log(folder_of(own))
        points = [
            {"step": step, "loss": loss_at(log, step, share),
             "linear": pace(load(folder_of(own) / f"step-{step:08d}"), splits, cell.seed)}
            for step in range(EVERY, STEPS + 1, EVERY)
        ]  # fmt: skip
        rows.append({
            "network": name, "rate": rate, "trade_off": share, "points": points, "rank": facts["rank"],
            "alarm": rang(log), "flops": facts["flops"],
        })  # fmt: skip
    control = replace(cell, name=f"{cell.name}.control", run=replace(cell.run, model=grid_model("vit", 0.0)))
    train(control)
    return {
        "loss_probe_spearman": ranked_alike([row["points"][-1] for row in rows]),
        "loss_probe_spearman.checkpoints": fmean(ranked_alike(row["points"]) for row in rows),
        "collapsed_runs": sum(row["alarm"] for row in rows),
        "grid_runs": len(rows),
        "control_collapsed": int(rang(read_log(folder_of(control)))),
        "rows": rows,
        "flops": sum(row["flops"] for row in rows),
    }


def grid_model(network: str, trade_off: float) -> LeJEPA:
    """A model of the grid."""
    return LeJEPA(network=NETWORKS[network], head=(512, 64), trade_off=trade_off, directions=256)


def rang(log: Sequence[dict[str, Any]]) -> bool:
    """Whether the alarm rang, which only warns here."""
    return any("alarm" in line for line in log)


def loss_at(log: Sequence[dict[str, Any]], step: int, share: float) -> float:
    """The mean loss until a step, told under the first trade-off, for losses under several do not compare.

    Logged terms have their weights (1 - trade-off and trade-off) in them.
    """
    lines = [line["terms"] for line in log if "loss" in line and line["step"] <= step][-LAST:]
    shares = {"prediction": (1 - TRADE_OFFS[0]) / (1 - share), "regularizer": TRADE_OFFS[0] / share}
    return fmean(sum(terms[name] * factor for name, factor in shares.items()) for terms in lines)


def ranked_alike(points: Sequence[dict[str, Any]]) -> float:
    """Spearman's correlation of less loss with a better probe."""
    found = spearmanr([-point["loss"] for point in points], [point["linear"] for point in points])
    return float(found.statistic)  # pyright: ignore[reportAttributeAccessIssue]


def width(loss: str, dim: int, seed: int) -> Cell:
    """One loss with embeddings of one width."""
    network, head = NETWORKS["vit"], (512, dim)
    model = {
        "contrastive": SimCLR(network=network, head=head),
        "vicreg": VICReg(network=network, head=head),
        "sigreg": LeJEPA(network=network, head=head, directions=256),
    }[loss]
    name = f"scaling.dim.{loss}.{dim}"
    claims, units = {name: "linear", f"{name}.rank": "embedding_rank"}, {"embedding_rank": "effective rank"}
    return Cell(f"{name}.seed{seed}", seed, linear, run_of(model, seed), claims, units)


def linear(cell: Cell) -> dict[str, Any]:
    """Trains, and probes what is kept; the rank is that of what the head makes of it."""
    backbone, facts = train(cell)
    splits = Splits.of(replace(DATA, views=None))
    row = Linear().measure(Subject(cell.name, backbone, splits), cell.seed)
    method = fit(cell.run, folder_of(cell), resume=True)  # there is nothing left to train: the whole of what was saved
    return {
        "linear": row.value,
        "embedding_rank": embedding_rank(method, splits.test),
        "rows": [row.to_json()],
        **facts,
    }


def embedding_rank(method: MultiView, dataset: Dataset) -> float:
    """RankMe of embeddings, without augmentation."""
    method.eval()
    with torch.no_grad():
        found = [method.network(batch.x).values[:, 0] for batch in batches(dataset, range(EMBEDDED), 256)]
    return rank_me(torch.cat(found))


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.lejepa", __doc__)


if __name__ == "__main__":
    main()
