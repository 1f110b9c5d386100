"""Where will it be? JEPA with and without z against models of pixels, at equal operations.

`python -m benchmarks.foretelling` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose: `python -m benchmarks.foretelling foretelling.lvjepa`. A digit moves straight ahead, then turns left, turns
right or goes straight on. Latent-variable JEPA draws z; JEPA without z and next frames in pixels have one answer; a
model of codes draws word after word, and a diffusion model takes noise away. All have as many operations of training
as latent-variable JEPA in `STEPS` steps, and all are asked in one way (`evals.foretelling`): places of the digit in
futures that are imagined, against its places in all futures there are, of test clips whose digits were never seen.
"""

from dataclasses import replace
from typing import Any

import torch

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from jepakit.contracts import Rows, step_at
from jepakit.data.branching import Branching
from jepakit.evals.foretelling import ForetellingEval
from jepakit.family import lvjepa
from jepakit.family.lvjepa import LVJEPA
from jepakit.recipes import videos
from jepakit.rivals import pixel_diffusion, vq_video
from jepakit.rivals.next_frames import NextFrames
from jepakit.rivals.pixel_diffusion import PixelDiffusion
from jepakit.rivals.vq_video import VQVideo
from jepakit.train.fit import fit
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

Model = LVJEPA | NextFrames | VQVideo | PixelDiffusion

STEPS = 2_400
"""Steps of latent-variable JEPA, in batches of 64; the others take as many as that pays for."""
BATCH = 32
"""Samples of a step of the models of pixels, which cost more for each."""
ASKED = ForetellingEval(data=Branching(sprites="digits"), pasts=200, draws=12)
JEPAS: dict[str, LVJEPA] = {"lvjepa": lvjepa.SMALL, "no_z": replace(lvjepa.SMALL, latent="none")}
OF_PIXELS: dict[str, Model] = {
    "next_frames": NextFrames(
        frames=8, image=(32, 32), tubelet=4, patch=8, dim=64, depth=2, heads=4, decoder_dim=96, decoder_depth=2,
        decoder_heads=4, initialization="fan_in", normalize_pixels=False,
    ),
    "vq_video": vq_video.SMALL,
    "pixel_diffusion": pixel_diffusion.SMALL,
}  # fmt: skip
UNITS = {
    "place_error": "pixels",
    "coverage": "share of futures",
    "precision": "share of draws",
    "probe_error": "pixels",
}


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    runs = {name: training(model) for name, model in (JEPAS | OF_PIXELS).items()}
    found = [_cell(name, replace(run, seed=seed)) for seed in SEEDS for name, run in runs.items()]
    return {cell.name: cell for cell in found}


def training(model: Model) -> Run:
    """A run with the operations of latent-variable JEPA. The alarm only warns: what collapses is asked all the same."""
    recipe = replace(videos.lvjepa(), data=ASKED.data, watch=Watch(action="warn"))
    batch = recipe.batch if isinstance(model, LVJEPA) else BATCH
    paid = STEPS * recipe.batch * operations(JEPAS["lvjepa"])
    steps = round(paid / (batch * operations(model)))
    return replace(recipe, model=model, batch=batch, steps=steps, keep=Keep(every=steps))


def operations(model: Model) -> float:
    """Operations of a training step for one sample, as the method counts them itself."""
    pair = torch.zeros(2, *model.samples[0])
    with torch.no_grad():
        counted = model.build()({"x": pair}, step_at(0, 1, Rows(0, 2, 2)))
    return counted.metrics["gflops"].item() * 1e9 / 2


def trained(cell: Cell) -> dict[str, Any]:
    """Trains, and asks where things will be."""
    _, facts = train(cell)
    method = fit(cell.run, folder_of(cell), resume=True)
    return {**ASKED.measure(method), **facts}


def _cell(name: str, run: Run) -> Cell:
    claims = {f"foretell.{name}.{figure}": figure for figure in UNITS}
    return Cell(f"foretelling.{name}.seed{run.seed}", run.seed, trained, run, claims, UNITS)


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.foretelling", __doc__)


if __name__ == "__main__":
    main()
