"""CLEVR as its authors ship it, with the labels of VTAB: how many things there are, and how near the nearest one is."""

import json
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch

from jepakit.config import added
from jepakit.data.folders import Folder
from jepakit.data.images import Images
from jepakit.data.sources import TEST, TRAIN, VALIDATION, Listing, Source
from jepakit.data.transforms import ImageTransform

FEWEST, MOST = 3, 10
BORDERS = (8.0, 8.5, 9.0, 9.5, 10.0)
"""Distances (the third of `pixel_coords`) at which one class of Clevr/Dist ends and the next begins."""
KEPT_BACK = 0.1
"""VTAB chooses on the last tenth of the training part, and reports what CLEVR calls its validation part."""
FEW = {TRAIN: 800, VALIDATION: 200}


@dataclass(frozen=True, kw_only=True)
class Clevr(Images):
    """The folder CLEVR_v1.0, with images/train, images/val and scenes/CLEVR_train_scenes.json and its like.

    "count" has 8 classes (3 to 10 things), "distance" 6 (VTAB, 1910.04867; the released label definitions). With
    `few`, heads learn from 800 pictures and choose on 200, as VTAB-1k; else from all: the two are not to be compared.
    """

    root: str = "CLEVR_v1.0"
    transform: ImageTransform = ImageTransform()  # noqa: RUF009
    label: Literal["count", "distance"] = "count"
    few: bool = added(False)

    @cached_property
    def _opened(self) -> tuple[Source, Listing]:
        folder = Path(self.root).expanduser()
        train, test = (_read_scenes(folder, part) for part in ("train", "val"))
        back = len(train) - round(KEPT_BACK * len(train))
        scenes = [("train", TRAIN, scene) for scene in train[:back]]
        scenes += [("train", VALIDATION, scene) for scene in train[back:]]
        scenes += [("val", TEST, scene) for scene in test]
        answer = _count if self.label == "count" else _distance
        labels = torch.tensor([answer(scene, folder) for _, _, scene in scenes])
        parts = torch.tensor([part for _, part, _ in scenes])
        if self.few:
            for part, count in FEW.items():
                rows = torch.nonzero(parts == part)[:, 0]
                labels[rows[count:]] = -1
        names = [f"images/{where}/{scene['image_filename']}" for where, _, scene in scenes]
        notes = (
            "heads choose on the last tenth of the training part; what CLEVR calls validation is reported as test",
        )
        listing = Listing(names, labels, _classes(self.label), parts, notes=notes)
        return Folder(folder, listing), listing


def _read_scenes(folder: Path, part: str) -> list[dict[str, Any]]:
    path = folder / "scenes" / f"CLEVR_{part}_scenes.json"
    if not path.is_file():
        raise ValueError(f"{folder} is not CLEVR's folder: there is no {path.relative_to(folder)}; give CLEVR_v1.0")
    try:
        return json.loads(path.read_text())["scenes"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read as CLEVR's scenes: {error!r}") from None


def _count(scene: dict[str, Any], folder: Path) -> int:
    count = len(scene["objects"])
    if not FEWEST <= count <= MOST:
        raise ValueError(f"{scene['image_filename']} of {folder} has {count} things; CLEVR's have {FEWEST} to {MOST}")
    return count - FEWEST


def _distance(scene: dict[str, Any], folder: Path) -> int:
    nearest = min(thing["pixel_coords"][2] for thing in scene["objects"])
    return int(torch.bucketize(torch.tensor(float(nearest)), torch.tensor(BORDERS), right=True))


def _classes(label: str) -> tuple[str, ...]:
    if label == "count":
        return tuple(f"{count} things" for count in range(FEWEST, MOST + 1))
    inner = (f"nearest at {low:g} to {high:g}" for low, high in pairwise(BORDERS))
    return (f"nearest below {BORDERS[0]:g}", *inner, f"nearest from {BORDERS[-1]:g} on")
