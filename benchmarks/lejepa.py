"""What LeJEPA claims, on Fashion-MNIST: it never collapses, and its loss ranks models as a probe with labels does.

`python -m benchmarks.lejepa` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. The grid is learning rates times architectures times trade-offs, short trainings without average, stop-gradient
or teacher; a training has collapsed if the alarm rang. `scaling.dim` is how a linear probe of the backbone follows the
width of the embedding for a contrastive loss, VICReg's and SIGReg.
"""

import itertools
import json
from dataclasses import replace
from typing import Any

from scipy.stats import spearmanr

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from jepakit.config import Config
from jepakit.data import views
from jepakit.data.images import Images
from jepakit.family.lejepa import LeJEPA
from jepakit.parts.nn.convnet import ConvNeXt, ResNet
from jepakit.parts.nn.networks import Network, ViT
from jepakit.probes.knn import Knn
from jepakit.probes.linear import Linear
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.recipes.images import SMALL
from jepakit.rivals.simclr import SimCLR
from jepakit.rivals.vicreg import VICReg
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
"""Logged steps at the end whose losses are averaged."""
WIDTHS = (16, 64, 256, 1024)


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        claims = {f"lejepa.{figure}": figure for figure in ("loss_probe_spearman", "collapsed_runs", "grid_runs")}
        units = {"loss_probe_spearman": "correlation", "collapsed_runs": "runs", "grid_runs": "runs"}
        found.append(Cell(f"lejepa.grid.seed{seed}", seed, grid, run_of(LeJEPA(), seed), claims, units))
        found += [
            width(loss, dim, seed) for loss, dim in itertools.product(("contrastive", "vicreg", "sigreg"), WIDTHS)
        ]
    return {cell.name: cell for cell in found}


def run_of(model: Config, seed: int) -> Run:
    """A short training that is watched, and goes on if the alarm rings."""
    return Run(
        model=model, data=DATA, steps=STEPS, batch=BATCH, seed=seed, optimizer=SMALL, keep=Keep(every=STEPS),
        watch=Watch(action="warn", every=50),
    )  # fmt: skip


def grid(cell: Cell) -> dict[str, Any]:
    """Every training of the grid: its loss by terms, its rank, whether the alarm rang, and what kNN says of it."""
    rows = []
    for (name, network), rate, share in itertools.product(NETWORKS.items(), RATES, TRADE_OFFS):
        model = LeJEPA(network=network, head=(512, 64), trade_off=share, directions=256)
        run = replace(cell.run, model=model, optimizer=replace(SMALL, peak=rate))
        own = replace(cell, name=f"{cell.name}.{name}.{rate:g}.{share:g}", run=run)
        backbone, facts = train(own)
        log = [json.loads(line) for line in (folder_of(own) / "metrics.jsonl").read_text().splitlines()]
        last = [line["terms"] for line in log if "loss" in line][-LAST:]
        terms = {term: sum(each[term] for each in last) / len(last) for term in last[0]}
        score = Knn().measure(Subject("lejepa", backbone, Splits.of(replace(DATA, views=None))), cell.seed)
        rows.append({
            "network": name, "rate": rate, "trade_off": share, "terms": terms, "rank": facts["rank"],
            "alarm": any("alarm" in line for line in log), "knn": score.value, "flops": facts["flops"],
        })  # fmt: skip
    return {
        "loss_probe_spearman": ranked_alike(rows),
        "collapsed_runs": sum(row["alarm"] for row in rows),
        "grid_runs": len(rows),
        "rows": rows,
        "flops": sum(row["flops"] for row in rows),
    }


def ranked_alike(rows: list[dict[str, Any]]) -> float:
    """Spearman's correlation of less loss with a better probe: the mean over trade-offs, for their losses differ."""
    found = []
    for share in TRADE_OFFS:
        own = [row for row in rows if row["trade_off"] == share]
        losses = [-sum(row["terms"].values()) for row in own]
        found.append(float(spearmanr(losses, [row["knn"] for row in own]).statistic))  # pyright: ignore[reportAttributeAccessIssue]
    return sum(found) / len(found)


def width(loss: str, dim: int, seed: int) -> Cell:
    """One loss with embeddings of one width."""
    network, head = NETWORKS["vit"], (512, dim)
    model = {
        "contrastive": SimCLR(network=network, head=head),
        "vicreg": VICReg(network=network, head=head),
        "sigreg": LeJEPA(network=network, head=head, directions=256),
    }[loss]
    name = f"scaling.dim.{loss}.{dim}"
    return Cell(f"{name}.seed{seed}", seed, linear, run_of(model, seed), {name: "linear"})


def linear(cell: Cell) -> dict[str, Any]:
    """Trains, and probes what is kept."""
    backbone, facts = train(cell)
    row = Linear().measure(Subject(cell.name, backbone, Splits.of(replace(DATA, views=None))), cell.seed)
    return {"linear": row.value, "rows": [row.to_json()], **facts}


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.lejepa", __doc__)


if __name__ == "__main__":
    main()
