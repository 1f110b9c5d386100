"""Small real pictures with transparent surroundings, out of which scenes are made."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from jepakit.data.drawings import EMOJI_NOTICE, Vendor, emoji_folder, emoji_parts, fetch_emoji
from jepakit.data.fetch import Unavailable, keep
from jepakit.data.packaged import open_packaged
from jepakit.data.sources import PARTS, Part, settle_parts

Kind = Literal["emoji", "emoji-twitter", "garments", "digits"]

_MOST_OF_A_PART = 2000


@dataclass(frozen=True)
class Sprites:
    """Square pictures in red, green, blue and alpha, the colors multiplied by alpha; `labels` index `classes`."""

    pictures: UInt8[np.ndarray, "n s s 4"]
    names: Sequence[str]
    labels: Int[Tensor, "n"]
    classes: tuple[str, ...]
    parts: Int[Tensor, "n"]

    def rows(self, part: Part) -> Int[np.ndarray, "k"]:
        """The numbers of the pictures of one part: no thing that is drawn lies in two parts."""
        return torch.nonzero(self.parts == PARTS.index(part))[:, 0].numpy()


@lru_cache(maxsize=4)
def open_sprites(kind: Kind) -> Sprites:
    """The packaged sprites, fetched first if need be.

    Emoji have their own transparency and the parts of `packaged:emoji`. Garments (Fashion-MNIST) and the digits of
    scikit-learn are light on a dark ground, which becomes transparent. Raises Unavailable, in one sentence.
    """
    match kind:
        case "emoji":
            return _open_emoji("google")
        case "emoji-twitter":
            return _open_emoji("twitter")
        case "garments":
            return _cut_out("fashion-mnist")
        case "digits":
            return _cut_out("digits")


def choose_sprites() -> tuple[Kind, str]:
    """The best sprites that can be had here, and a sentence that says which they are and why."""
    reasons = []
    known: tuple[tuple[Kind, str], ...] = (("emoji", "emoji drawn by Google"), ("garments", "Fashion-MNIST's clothes"))
    for kind, words in known:
        try:
            open_sprites(kind)
        except Unavailable as error:
            reasons.append(str(error))
        else:
            return kind, "; ".join([words, *reasons])
    return "digits", "; ".join(["scikit-learn's digits", *reasons])


def _open_emoji(vendor: Vendor) -> Sprites:
    def make(into: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            drawings = [drawing for drawing in fetch_emoji(vendor, Path(scratch)) if drawing.category]
            np.savez_compressed(
                into / "sprites.npz",
                pictures=np.stack([_read_transparent(drawing.path) for drawing in drawings]),
                names=np.array([drawing.name for drawing in drawings]),
                categories=np.array([drawing.category for drawing in drawings]),
                things=np.array([drawing.thing for drawing in drawings]),
            )
        (into / "NOTICE").write_text(f"{EMOJI_NOTICE[vendor]}\nColors multiplied by alpha. {len(drawings)} drawings.\n")

    folder = keep(f"sprites-{emoji_folder(vendor)}", make)
    with np.load(folder / "sprites.npz", allow_pickle=False) as kept:
        pictures, names, categories, things = (kept[key] for key in ("pictures", "names", "categories", "things"))
    classes, labels = np.unique(categories, return_inverse=True)
    return Sprites(
        pictures,
        [str(name) for name in names],
        torch.from_numpy(labels.astype(np.int64)),
        tuple(str(name) for name in classes),
        emoji_parts([str(thing) for thing in things]),
    )


def _read_transparent(path: Path) -> UInt8[np.ndarray, "s s 4"]:
    with Image.open(path) as image:
        # Pillow's "RGBa": the colors are multiplied by alpha, so that pictures can be resized and laid over others.
        return np.asarray(image.convert("RGBA").convert("RGBa"))


def _cut_out(name: str) -> Sprites:
    """Gray pictures on black, the first ones of each part; whatever is not nearly black is opaque."""
    arrays = open_packaged(name)
    listing = settle_parts(arrays.listing)
    assert listing.parts is not None
    assert listing.labels is not None
    assert listing.classes is not None
    rows = torch.cat([torch.nonzero(listing.parts == part)[:_MOST_OF_A_PART, 0] for part in range(len(PARTS))])
    gray = torch.cat([arrays.read(int(row)) for row in rows])
    alpha = gray.int().mul(4).clamp(max=255).to(torch.uint8)
    return Sprites(
        torch.stack([gray, gray, gray, alpha], dim=-1).numpy(),
        [listing.names[int(row)] for row in rows],
        listing.labels[rows],
        listing.classes,
        listing.parts[rows],
    )
