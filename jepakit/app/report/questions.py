"""The questions that a method asks about what is drawn: one split for each of its maskers, and what each is called."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.app.report.strip import Strip
from jepakit.app.report.wording import tick
from jepakit.contracts import Masker, Rows
from jepakit.parts.masks.modal import ModalMasker
from jepakit.parts.masks.tubes import TubeMasker
from jepakit.tokens import Split

MASK_SEED = 0


@dataclass(frozen=True)
class Question:
    """What one masker asks about the shown pictures or clips, in the order of their strips.

    `name` tells it from the questions of other maskers, and is empty where there are none; `about` says how it hides.
    """

    name: str
    about: str
    split: Split


def ask(method: Any, coords: Float[Tensor, "k t p"], strip: Strip) -> tuple[Question, ...]:
    """One question of each masker, drawn as in training; none from a method that draws no masks."""
    if not hasattr(method, "maskers"):
        return ()
    generator, rows = torch.Generator().manual_seed(MASK_SEED), Rows(0, len(coords), len(coords))
    maskers = [found for masker in method.maskers if (found := _of_kind(masker, strip)) is not None]
    splits = [masker(coords, strip.grid, generator, rows) for masker in maskers]
    drawn = [Split(strip.place(split.context), strip.place(split.targets)) for split in splits]
    return tuple(map(Question, _names(maskers), map(_about, maskers), drawn))


def _of_kind(masker: Masker, strip: Strip) -> Masker | None:
    """The one that is at work, where clips and pictures have a masker each; None where pictures have none."""
    if not isinstance(masker, ModalMasker):
        return masker
    return masker.video if strip.grid[0] > 1 else masker.image


def _names(maskers: Sequence[Masker]) -> list[str]:
    """V-JEPA's two families by their published names, the smaller blocks being short-range; others by numbers."""
    if len(maskers) == 1:
        return [""]
    tubes = [masker for masker in maskers if isinstance(masker, TubeMasker)]
    if len(tubes) == len(maskers) == 2 and tubes[0].block_scale != tubes[1].block_scale:
        smaller = min(tubes, key=lambda masker: masker.block_scale)
        return ["short-range" if masker is smaller else "long-range" for masker in tubes]
    return [f"question {number}" for number in range(1, len(maskers) + 1)]


def _about(masker: Masker) -> str:
    """How tubes hide: so many blocks, and how much of a frame each of them covers."""
    if not isinstance(masker, TubeMasker):
        return ""
    low, high = (tick(100 * share) for share in masker.block_scale)
    share = low if low == high else f"{low} to {high}"
    return f"{masker.blocks} block{'s' if masker.blocks > 1 else ''} of {share} % of a frame"
