"""What may come next: latent-variable JEPA on videos whose futures are all known.

`python -m benchmarks.latent` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose: `python -m benchmarks.latent latent.turn.searched`. Clips are of `data.branching`: a digit turns left, turns
right or goes straight on, or a thing becomes one of four. Everything is measured on the test part, whose digits are
never seen in training, against all futures of each past; thresholds were fixed before a model was trained.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Float
from sklearn.metrics import roc_auc_score
from torch import Tensor

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from jepakit.contracts import Rows, step_at
from jepakit.data.branching import Branching
from jepakit.family.lvjepa import LVJEPA
from jepakit.methods.dynamics import DynamicsJEPA
from jepakit.parts.latents.information import in_bits
from jepakit.probes.futures import Imagined, compare
from jepakit.recipes import videos
from jepakit.tokens import Tokens
from jepakit.train.fit import fit
from jepakit.train.run import Run
from jepakit.train.watch import Watch

PASTS, DRAWS = 300, 16
"""Pasts of the test part that futures are asked for, and how often z is drawn for each."""
TRIES = (1, 2, 4, 8, 16)
NEGLECTED = 0.9
"""From here on a past is called neglected: z makes good so much of the error under a wrong one."""
PRICE = 0.001
"""Of a nat. Naming one of three futures takes 1.1 nats and saves 0.007 of squared error, as searched codes tell: at the
0.01 of the recipe z is not worth its price, and says nothing."""
BECOME = Branching(story="become", modes=4, side=(0.5, 0.7), pace=(0.03, 0.04))
"""Large emoji that move slowly: it is seen what they are. Small digits look so much alike that a network shared by past
and future drops what one becomes, as nothing predicts it, and z tells places instead."""
UNITS = {
    "coverage": "share of futures",
    "precision": "share of predictions",
    "z_bits": "bits",
    "least_apart": "of the mean distance",
    "detected": "share of runs",
    "neglect": "share",
    "auroc": "AUROC",
    "energy_of_what_came": "squared error",
    "energy_of_another": "squared error",
    **{f"best_of.{count}": "radii" for count in TRIES},
}


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        found += headline(seed)
    for seed in SEEDS:
        found += others(seed)
    return {cell.name: cell for cell in found}


def headline(seed: int) -> list[Cell]:
    """With z, without it, with one that may tell everything; and things that change instead of their way."""
    run = training(seed)
    modes = {"lvjepa.modes.coverage": "coverage", "lvjepa.modes.precision": "precision", "lvjepa.z_bits": "z_bits",
             "lvjepa.auroc": "auroc", "lvjepa.shortcut.false_alarm": "detected",
             "lvjepa.energy.came": "energy_of_what_came", "lvjepa.energy.another": "energy_of_another",
             **{f"lvjepa.best_of.{count}": f"best_of.{count}" for count in TRIES}}  # fmt: skip
    free = {"lvjepa.shortcut.detected": "detected", "lvjepa.shortcut.auroc": "auroc", "lvjepa.shortcut.bits": "z_bits"}
    none = {"lvjepa.no_z.coverage": "coverage", "lvjepa.no_z.auroc": "auroc", "lvjepa.no_z.best_of.1": "best_of.1"}
    without = with_latent(run, latent="none")
    return [
        _cell("turn.searched", run, modes),
        _cell("turn.none", without, none),
        _cell("turn.free", with_latent(run, latent="gaussian", price=0.0, z_dim=64), free),
        _cell(
            "become.searched",
            replace(run, data=BECOME),
            {**named("become"), "lvjepa.become.least_apart": "least_apart"},
        ),
        _cell("become.none", replace(without, data=BECOME), {"lvjepa.become.no_z.coverage": "coverage"}),
    ]


def others(seed: int) -> list[Cell]:
    """The other kinds of latent variables, with the same budget."""
    run = training(seed)
    kinds: dict[str, dict[str, Any]] = {
        "categorical": {"latent": "categorical", "price": PRICE},
        "categorical_ema": {"latent": "categorical", "price": PRICE, "target": "ema"},
        "quantized": {"latent": "quantized"},
        "gaussian": {"latent": "gaussian", "price": PRICE, "z_dim": 8},
        "sparse": {"latent": "sparse", "price": PRICE},
    }
    return [_cell(f"turn.{kind}", with_latent(run, **changes), named(kind)) for kind, changes in kinds.items()]


def training(seed: int) -> Run:
    """The recipe. The alarm only warns, for the backbone of a model that is meant to fail is read to the end."""
    return replace(videos.lvjepa(), seed=seed, watch=Watch(action="warn"))


def named(what: str) -> dict[str, str]:
    """Claims about the modes, what it takes to tell them, and whether the past counts."""
    return {f"lvjepa.{what}.{figure}": figure for figure in ("coverage", "precision", "z_bits", "neglect")}


def with_latent(run: Run, **changes: Any) -> Run:
    """The same run of another model."""
    return replace(run, model=replace(run.model, **changes))


def trained(cell: Cell) -> dict[str, Any]:
    """Trains, and asks for the futures of pasts that were never seen."""
    _, facts = train(cell)
    method = fit(cell.run, folder_of(cell), resume=True).eval()
    data = cell.run.data
    assert isinstance(data, Branching)
    return {**figures_of(method, data.split("test"), PASTS), **facts}


@torch.no_grad()
def figures_of(method: DynamicsJEPA, dataset: Any, pasts: int) -> dict[str, Any]:
    """All figures of one model, by the name that claims use."""
    clips = torch.stack([dataset.futures(index) for index in range(pasts)])
    context = method.network(clips[:, 0, :, : method.past])
    answers = [method.answer(clips[:, mode, :, method.past :], context) for mode in range(clips.shape[1])]
    futures = torch.stack([answer.values for answer in answers], dim=1)
    drawn = compare(draw(method, context, answers[0]), futures)
    mean = compare(futures.mean(dim=1, keepdim=True), futures)
    return {
        "coverage": drawn.coverage,
        "precision": drawn.precision,
        **{f"best_of.{count}": drawn.best_of(count) for count in TRIES},
        "distance_to_mean": nearness_to_mean(method, context, answers, drawn),
        "least_apart": least_apart(futures),
        "coverage_of_mean": mean.coverage,
        **energies_of(method, clips, dataset.labels[:pasts]),
        **information_of(method, context, answers),
    }


def draw(method: DynamicsJEPA, context: Tokens, answer: Tokens) -> Float[Tensor, "n k t d"]:
    """What is imagined when z is drawn, again and again; once where there is none."""
    return method.draw(context, answer, DRAWS, torch.Generator().manual_seed(0))


def nearness_to_mean(method: DynamicsJEPA, context: Tokens, answers: Sequence[Tokens], drawn: Imagined) -> float:
    """How far the first prediction lies from the mean of the futures, in radii of the balls around futures."""
    mean = torch.stack([answer.values for answer in answers]).mean(dim=0)
    guess = draw(method, context, answers[0])[:, 0]
    distance = (guess - mean).square().mean(dim=(1, 2)).sqrt()
    return (distance / drawn.radii.mean(dim=1)).mean().item()


def least_apart(futures: Float[Tensor, "n m t d"]) -> float:
    """How far the two outcomes lie apart that are told apart least, as a share of the mean over pairs of outcomes.

    Near 0, the network has dropped what tells them apart: no z can say which of the two it will be.
    """
    every = futures.flatten(2)
    apart = torch.stack([
        (every[:, one] - every[:, other]).square().mean(dim=1).sqrt().mean()
        for one, other in combinations(range(every.shape[1]), 2)
    ])  # fmt: skip
    return (apart.amin() / apart.mean()).item()


def energies_of(method: DynamicsJEPA, clips: Float[Tensor, "n m c t h w"], came: Tensor) -> dict[str, Any]:
    """F(x, y) of the future that came, of those that might have come, and of the future of another past.

    `auroc`: how often a future that may come has less energy than one of another past.
    """
    pasts = clips[:, 0]
    every = torch.stack([method.energy(pasts, clips[:, mode]) for mode in range(clips.shape[1])], dim=1)
    true = every.gather(1, came.unsqueeze(1)).squeeze(1)
    other = method.energy(pasts, clips[torch.arange(len(clips)), came].roll(1, dims=0))
    labels = torch.cat([torch.ones(every.numel()), torch.zeros(len(other))])
    auroc = roc_auc_score(labels.numpy(), -torch.cat([every.flatten(), other]).numpy())
    return {
        "auroc": float(auroc),
        "energy_of_what_came": true.mean().item(),
        "energy_of_what_might_have_come": every.mean().item(),
        "energy_of_another": other.mean().item(),
    }


def information_of(method: DynamicsJEPA, context: Tokens, answers: Sequence[Tokens]) -> dict[str, Any]:
    """How many bits z takes, whether the past is neglected, and whether the meter calls it so."""
    if method.latent is None:
        return {}
    bits, neglect = [], []
    count = len(context.values)
    for answer in answers:
        energy = method.energy_of(context, answer)
        found = method.latent.infer(context, answer, energy, step_at(0, 1, Rows(0, count, count)))
        bits.append(in_bits(found.nats))
        neglect.append(method.neglect(context, answer))
    share = torch.stack(neglect).mean().item()
    return {"z_bits": torch.stack(bits).mean().item(), "neglect": share, "detected": float(share > NEGLECTED)}


def _cell(name: str, run: Run, claims: dict[str, str]) -> Cell:
    units = {figure: UNITS[figure] for figure in claims.values()}
    assert isinstance(run.model, LVJEPA)
    return Cell(f"latent.{name}.seed{run.seed}", run.seed, trained, run, claims, units)


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.latent", __doc__)


if __name__ == "__main__":
    main()
