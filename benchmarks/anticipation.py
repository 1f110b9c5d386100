"""What will be done next in a kitchen of squares and a dot: V-JEPA 2 as it sees, and as it foresees.

`python -m benchmarks.anticipation` runs what is missing, `--list` says what that is, and names (or beginnings of names)
choose: `python -m benchmarks.anticipation anticipation.vjepa2.seed0`. Clips end a second before the action starts.
A training takes two minutes on one core. Tokens are computed once and kept; the heads of all three ways to read them
are trained on the same ones, and asked half a second, two and four seconds before the action, too.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from benchmarks.cells import SEEDS, Cell, folder_of, train
from benchmarks.cells import main as run_cells
from benchmarks.record import ROOT
from benchmarks.video import VJEPA_RATE
from jepakit.data.actions import Actions
from jepakit.data.clip_transform import ClipTransform
from jepakit.data.frames import Sampling
from jepakit.data.kitchen import LAYOUT, TABLES, VIDEOS, KitchenVideos
from jepakit.data.protocols import Protocol
from jepakit.data.transforms import ImageTransform, RandomResizedCrop
from jepakit.data.videos import Videos
from jepakit.family.vjepa2 import VJEPA2
from jepakit.pretrained import load_method
from jepakit.probes.anticipation import Anticipation
from jepakit.probes.foresight import Foresight, Kept, Reads
from jepakit.probes.told import BASELINES, measure_baselines
from jepakit.recipes.images import SMALL
from jepakit.train.run import Keep, Run

KITCHEN = KitchenVideos()
FOLDER = "runs/kitchen"
"""Where the videos are written to, below the root of the repository."""
CLIP = ClipTransform(
    sampling=Sampling(frames=8, step=None, fps=4.0, policy="uniform"), picture=ImageTransform(size=64), tubelet=2
)
VIDEO = Videos(root=f"{FOLDER}/{VIDEOS}", transform=CLIP, augment=RandomResizedCrop(scale=(0.5, 1.0)))
ACTIONS = Actions(
    root=FOLDER, train=TABLES["train"], test=TABLES["validation"], layout=LAYOUT, transform=CLIP, protocol=Protocol()
)
VJEPA2_SMALL = VJEPA2(
    frames=8, image=(64, 64), patch=16, dim=96, depth=4, heads=4, predictor_dim=48, predictor_depth=2,
    predictor_heads=2, mask_tokens=2, mask_token=(0, 1), initialization="fan_in", momentum=0.99, target_scale="sample",
)  # fmt: skip
RUN = Run(
    model=VJEPA2_SMALL, data=VIDEO, steps=600, batch=16, optimizer=replace(SMALL, peak=VJEPA_RATE), keep=Keep(every=250)
)
PROBE = Anticipation(blocks=1, rates=(1e-2, 3e-3), decays=(0.01,), steps=1_200, batch=64, heads=3)
"""After 400 steps at up to 3e-3, heads that read both kinds of tokens told less than heads that read one of them (on
validation, 0.35 against 0.62; after these, 0.66 against 0.66): they had not yet learnt which tokens to read."""
DRAWS = 2
"""How many times each training clip is cut, each time at another moment before its action."""
CURVE = (0.5, 2.0, 4.0)
READS: dict[str, Reads] = {"recall5": "both", "encoder_only": "encoder", "predictor_only": "predictor"}
UNIT = "class-mean recall@5"


def cells() -> dict[str, Cell]:
    """Every cell there is, by name, in the order in which they are run."""
    found = [_cell("baselines", baselines, RUN, {name.replace(" ", "_"): name for name in BASELINES})]
    for seed in SEEDS:
        run = replace(RUN, seed=seed)
        found.append(_cell("vjepa2", pretrained, run, {name: name for name in READS}))
        found.append(_cell("random_init", untrained, run, {"random_init": "encoder_only"}))
    return {cell.name: cell for cell in found}


def pretrained(cell: Cell) -> dict[str, Any]:
    """Trains, and asks what will be done, of all tokens and of either kind."""
    KITCHEN.write(ROOT / FOLDER)
    _, facts = train(cell)
    foresight = Foresight.of(load_method(folder_of(cell)))
    return {**probed("V-JEPA 2", foresight, cell.seed, READS), **facts}


def untrained(cell: Cell) -> dict[str, Any]:
    """The same encoder with the weights that training would have begun with; its predictor would say nothing."""
    KITCHEN.write(ROOT / FOLDER)
    torch.manual_seed(cell.seed)
    foresight = Foresight.of(cell.run.model.build().eval())
    return {**probed("random init", foresight, cell.seed, {"encoder_only": "encoder"}), "flops": 0}


def baselines(cell: Cell) -> dict[str, Any]:
    """What is frequent, and what was done last."""
    KITCHEN.write(ROOT / FOLDER)
    rows = measure_baselines(ACTIONS.split("train"), ACTIONS.split("validation"), ACTIONS.split("test"))
    return {**{row.subject: row.value for row in rows}, "rows": [row.to_json() for row in rows], "flops": 0}


def probed(name: str, foresight: Foresight, seed: int, reads: dict[str, Reads]) -> dict[str, Any]:
    """The figures by the name that claims use, and the whole results."""
    train_clips = Kept.of(foresight, ACTIONS.split("train", augmented=True), DRAWS)
    validation, test = (Kept.of(foresight, ACTIONS.split(part)) for part in ("validation", "test"))
    later = {
        f"action recall@5 {seconds} seconds before": Kept.of(
            foresight, replace(ACTIONS, protocol=Protocol(seconds=seconds)).split("test")
        )
        for seconds in CURVE
    }
    rows = {}
    for figure, kind in reads.items():
        also = {title: clips.only(kind) for title, clips in later.items()}
        clips = (kept.only(kind) for kept in (train_clips, validation, test))
        rows[figure] = PROBE.measure(f"{name}, {kind}", *clips, seed=seed, also=also)
    return {**{figure: row.value for figure, row in rows.items()}, "rows": [row.to_json() for row in rows.values()]}


def _cell(subject: str, measure: Callable[[Cell], dict[str, Any]], run: Run, figures: dict[str, str]) -> Cell:
    claims = {f"anticipation.{claim}": figure for claim, figure in figures.items()}
    units = dict.fromkeys(claims.values(), UNIT)
    return Cell(f"anticipation.{subject}.seed{run.seed}", run.seed, measure, run, claims, units)


if __name__ == "__main__":
    run_cells(cells(), "benchmarks.anticipation", __doc__)
