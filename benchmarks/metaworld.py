"""What is learnt from clips of a robot arm that does 50 tasks: which task it is, from seeds and a camera never seen.

`python -m benchmarks.metaworld` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose. The clips are filmed first, by `python -m benchmarks.metaworld_clips`. Pretraining uses no label and no clip of
the test part. Three figures are measured on every model: all tasks told apart on held-out seeds ("attentive"), the
same heads on a held-out camera ("camera"), and the tasks of one scene told apart, averaged over scenes ("scenes"):
which things stand about tells nothing there. Every training has as many operations as that of V-JEPA.
"""

from collections.abc import Callable
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch

from benchmarks.cells import SEEDS, Cell, train
from benchmarks.cells import main as run_cells
from benchmarks.video import ATTENTIVE, CROP, figures, operations
from jepakit.data.robot_clips import HELD_OUT_CAMERA, ROBOT_CLIP, SCENES, RobotClips
from jepakit.data.stills import Stills
from jepakit.family import ijepa, vjepa
from jepakit.family.ijepa import IJEPA
from jepakit.family.vjepa import VJEPA
from jepakit.probes.attentive import Attentive
from jepakit.probes.features import Encoder
from jepakit.probes.frames import PerFrame
from jepakit.probes.result import Result
from jepakit.probes.splits import Labeled, Splits
from jepakit.probes.subject import Subject
from jepakit.recipes.images import SMALL
from jepakit.rivals.videomae import VideoMAE
from jepakit.train.run import Keep, Run

STEPS, BATCH = 1_000, 32
CLIPS = RobotClips()
TRAINED_ON = replace(CLIPS, augment=CROP)
MOMENTS = replace(TRAINED_ON, transform=replace(ROBOT_CLIP, sampling=replace(ROBOT_CLIP.sampling, frames=2)))
"""The same clips for a model of pictures, from anywhere in them: two frames are soon cropped."""
VJEPA_SMALL = vjepa.SMALL_COLOR
PUBLISHED = replace(VJEPA_SMALL, target_scale="token")
"""With the answers of the paper. Its rate and average are those of single frames: of three pairs, tried with one seed
on validation clips, they were the best."""
VIDEOMAE_SMALL = VideoMAE(
    image=(64, 64), dim=192, depth=4, heads=6, decoder_dim=96, decoder_depth=2, decoder_heads=6,
    initialization="fan_in",
)  # fmt: skip
PAIRS = replace(ATTENTIVE, steps=200)
"""For the two or three tasks of a scene, which have about a hundred clips."""
FIGURES = ("attentive", "camera", "scenes")


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found: list[Cell] = []
    planned = trainings()
    for seed in SEEDS:
        runs = {name: replace(run, seed=seed) for name, run in planned.items()}
        found += [cell(name, pretrained, run) for name, run in runs.items()]
        found += [cell("still", one_frame, runs["frames"]), cell("random_init", untrained, runs["vjepa"])]
        if seed == SEEDS[0]:
            found.append(cell("raw", raw_pixels, runs["vjepa"]))
    return {each.name: each for each in found}


def cell(subject: str, measure: Callable[[Cell], dict[str, Any]], run: Run) -> Cell:
    """One subject with one seed, under its three claims."""
    claims = {f"{subject}.metaworld.{figure}": figure for figure in FIGURES}
    return Cell(f"metaworld.{subject}.seed{run.seed}", run.seed, measure, run, claims)


def trainings() -> dict[str, Run]:
    """V-JEPA in two ways, the same encoder with pixels as targets, and a model of single frames, at equal compute."""
    return {
        "vjepa": training(VJEPA_SMALL, TRAINED_ON),
        "vjepa_token": training(PUBLISHED, TRAINED_ON),
        "videomae": training(VIDEOMAE_SMALL, TRAINED_ON),
        "frames": training(ijepa.SMALL_COLOR, Stills(clips=MOMENTS)),
    }


def training(model: VJEPA | VideoMAE | IJEPA, data: RobotClips | Stills) -> Run:
    """A run with as many operations as V-JEPA takes in its steps; single frames come in larger batches."""
    batch = BATCH if isinstance(data, RobotClips) else BATCH * ROBOT_CLIP.sampling.frames // ROBOT_CLIP.tubelet
    steps = round(STEPS * BATCH * operations(VJEPA_SMALL) / (batch * operations(model)))
    return Run(model=model, data=data, steps=steps, batch=batch, optimizer=SMALL, keep=Keep(every=500))


def pretrained(cell: Cell) -> dict[str, Any]:
    """Trains, and probes what is kept; a model of pictures looks at the clips frame by frame."""
    backbone, facts = train(cell)
    return {**probed(PerFrame(backbone) if isinstance(cell.run.data, Stills) else backbone, cell), **facts}


def one_frame(cell: Cell) -> dict[str, Any]:
    """The model of pictures of the same seed, which is shown the middle frame of each clip alone."""
    backbone, facts = train(replace(cell, name=f"metaworld.frames.seed{cell.seed}"))
    return {**probed(backbone, cell, still=True), **facts}


def untrained(cell: Cell) -> dict[str, Any]:
    """The network of V-JEPA with the weights that training would have begun with."""
    torch.manual_seed(cell.seed)
    return {**probed(cell.run.model.build().kept, cell), "flops": 0}


def raw_pixels(cell: Cell) -> dict[str, Any]:
    """No network at all."""
    return {**probed(None, cell), "flops": 0}


def probed(backbone: Encoder | None, cell: Cell, still: bool = False) -> dict[str, Any]:
    """The three figures, and the results behind them; `still` shows the middle frame of each clip."""

    def seen(clips: RobotClips) -> Labeled:
        return Stills(clips=clips) if still else clips

    def ask(probe: Attentive, splits: Splits) -> Result:
        return probe.measure(Subject(cell.name.split(".")[1], backbone, splits), cell.seed)

    whole, elsewhere = Splits.of(seen(CLIPS)), seen(replace(CLIPS, cameras=(HELD_OUT_CAMERA,))).split("test")
    assert elsewhere is not None
    rows = {"attentive": ask(ATTENTIVE, whole), "camera": ask(ATTENTIVE, replace(whole, test=elsewhere))}
    apart = {" ".join(scene): ask(PAIRS, Splits.of(seen(replace(CLIPS, tasks=scene)))) for scene in SCENES}
    return {
        **figures({**rows, **apart}),
        "scenes": fmean(row.value for row in apart.values()),
        "chance": {"attentive": 1 / 50, "camera": 1 / 50, "scenes": fmean(1 / len(scene) for scene in SCENES)},
    }


def main() -> None:
    """Runs the cells that were asked for and are missing."""
    run_cells(cells(), "benchmarks.metaworld", __doc__)


if __name__ == "__main__":
    main()
