"""Energies of models of clips as judges: low where two things belong together, and high where they do not.

`python -m benchmarks.energies` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose: `python -m benchmarks.energies energy.vjepa`. Models are those of `benchmarks.video`, `.dense`, `.latent`,
`.foretelling` and `.two_rooms`: a training whose folder is still there is not done again. Clips are of parts that no
training has seen. A masked model is asked whether a clip fills its own gaps, the others whether a future follows from a
past; of futures under unknown actions, the best of those that are tried counts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks import dense, foretelling, latent, two_rooms, video
from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from jepakit.app.world_examination import read_clips
from jepakit.contracts import Method
from jepakit.data.branching import Branching
from jepakit.data.camera import Camera
from jepakit.data.latents import Latents
from jepakit.data.mixture import Mixture
from jepakit.data.scenes import Scenes
from jepakit.evals.compatibility import judge, pairs_of
from jepakit.pretrained import load_method

SAMPLES = 256
AHEAD = 2
"""Frames that a world model is asked about: of many unknown actions in a row, none of those tried is near."""
MEMBERS = {
    "vjepa": "motion.vjepa", "vjepa_token": "video.ablation.token", "videomae": "motion.videomae",
    "vjepa2": "dense.vjepa2", "vjepa21": "dense.vjepa21", "omnimae": "images.omnimae", "lvjepa": "latent.turn.searched",
    "next_frames": "foretelling.next_frames", "vq_video": "foretelling.vq_video",
    "pixel_diffusion": "foretelling.pixel_diffusion", "pldm": "two_rooms.model",
}  # fmt: skip
"""Of each member the cell whose training is judged."""
UNITS = {"auroc": "AUROC", "retrieval": "accuracy"}


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    trained = {
        name: cell for suite in (video, dense, latent, foretelling, two_rooms) for name, cell in suite.cells().items()
    }
    found = [_cell(member, trained[f"{name}.seed{seed}"]) for seed in SEEDS for member, name in MEMBERS.items()]
    return {cell.name: cell for cell in found}


def _cell(member: str, trained: Cell) -> Cell:
    claims = {f"energy.{member}.{figure}": figure for figure in UNITS}
    measure: Callable[[Cell], dict[str, Any]] = acted if member == "pldm" else watched
    return Cell(f"energy.{member}.seed{trained.seed}", trained.seed, measure, trained.run, claims, UNITS)


def trained_as(cell: Cell) -> str:
    """The name of the cell whose training is judged."""
    return f"{MEMBERS[cell.name.split('.')[1]]}.seed{cell.seed}"


def watched(cell: Cell) -> dict[str, Any]:
    """What a model of clips says of clips of the test part, where each belongs to itself alone."""
    own = Cell(trained_as(cell), cell.seed, cell.measure, cell.run, {})
    _, facts = train(own)
    data = cell.run.data.sources[0] if isinstance(cell.run.data, Mixture) else cell.run.data
    assert isinstance(data, Camera | Scenes | Branching)
    held_out: Any = data.split("test")
    clips, _ = pairs_of(held_out, SAMPLES, same=True)
    return {**judge(load_method(folder_of(own)).eval(), clips, clips), **facts}


def acted(cell: Cell) -> dict[str, Any]:
    """What a world model says of what came after the first frames of windows of held-out episodes."""
    loaded, facts, _ = two_rooms.prepared(cell, MEMBERS["pldm"].removeprefix("two_rooms."))
    assert isinstance(cell.run.data, Latents)
    held_out = cell.run.data.trajectories.split("test")
    assert held_out is not None, "episodes were held out"
    return {**judge_windows(loaded.method, read_clips(held_out, SAMPLES, torch.device("cpu")).x), **facts}


def judge_windows(method: Method, clips: Float[Tensor, "b c t h w"]) -> Mapping[str, float]:
    """What energies tell of the frames that follow the first one of each window, under unknown actions."""
    return judge(method, clips[:, :, :1], clips[:, :, 1 : 1 + AHEAD])


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.energies", __doc__)


if __name__ == "__main__":
    main()
