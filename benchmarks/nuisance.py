"""What becomes of what cannot be predicted: latent targets against pixels while noise rises.

`python -m benchmarks.nuisance` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. The clips are those of `benchmarks.video`, each cell of each frame lit at random by more and more. The same
encoder learns from latent targets (V-JEPA), from pixels of hidden tubes (VideoMAE) and from pixels of the frames to
come (next frames), with as many operations. Two attentive probes are asked: how the camera moves ("content"), and
whether the noise made one place lighter or darker ("noise"), which a model that keeps to what is predictable need not
know.
"""

from dataclasses import replace
from typing import Any

import torch

from benchmarks.cells import SEEDS, Cell, train
from benchmarks.cells import main as run_cells
from benchmarks.video import ATTENTIVE, CLIPS, FRAMES, LABELED, SIDE, VIDEOMAE_SMALL, VJEPA_SMALL, training
from jepakit.family.vjepa import VJEPA
from jepakit.probes.result import Result
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject
from jepakit.rivals.next_frames import NextFrames
from jepakit.rivals.videomae import VideoMAE

LEVELS = (0, 30, 60)
"""Standard deviations of the noise in levels of 255; the clips themselves have about 70."""
MODELS: dict[str, VJEPA | VideoMAE] = {
    "vjepa": VJEPA_SMALL,
    "videomae": VIDEOMAE_SMALL,
    "next_frames": NextFrames(
        frames=FRAMES, image=(SIDE, SIDE), patch=8, dim=96, depth=4, heads=3,
        decoder_dim=96, decoder_depth=2, decoder_heads=3, initialization="fan_in",
    ),
}  # fmt: skip


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    for seed in SEEDS:
        for level in LEVELS:
            found += [_cell(name, level, seed) for name in MODELS]
            found.append(replace(_cell("vjepa", level, seed), name=f"nuisance.random_init.{level}.seed{seed}"))
            found[-1] = replace(found[-1], measure=untrained, claims=_claims("random_init", level))
    return {cell.name: cell for cell in found}


def _cell(name: str, level: int, seed: int) -> Cell:
    run = replace(training(MODELS[name], replace(CLIPS, noise=float(level))), seed=seed)
    return Cell(f"nuisance.{name}.{level}.seed{seed}", seed, pretrained, run, _claims(name, level))


def _claims(name: str, level: int) -> dict[str, str]:
    """Without noise, nothing can be asked about it."""
    asked = ("content", "noise") if level else ("content",)
    return {f"nuisance.{name}.{level}.{what}": what for what in asked}


def pretrained(cell: Cell) -> dict[str, Any]:
    """Trains, and asks both questions."""
    backbone, facts = train(cell)
    return {**probed(backbone, cell), **facts}


def untrained(cell: Cell) -> dict[str, Any]:
    """The same network with the weights that training would have begun with."""
    torch.manual_seed(cell.seed)
    return {**probed(cell.run.model.build().kept, cell), "flops": 0}


def probed(backbone: Any, cell: Cell) -> dict[str, Any]:
    """What the backbone tells of the motion and of the noise, on clips with as much noise as it learnt from."""
    level = int(cell.name.split(".")[2])
    labeled = replace(LABELED, noise=float(level))
    data = {"content": labeled} | ({"noise": replace(labeled, label="noise")} if level else {})
    rows: dict[str, Result] = {
        what: ATTENTIVE.measure(Subject(cell.name.split(".")[1], backbone, Splits.of(part)), cell.seed)
        for what, part in data.items()
    }
    return {**{what: row.value for what, row in rows.items()}, "rows": [row.to_json() for row in rows.values()]}


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.nuisance", __doc__)


if __name__ == "__main__":
    main()
