"""Color drawings from packages: emoji of two vendors, and Open Clip Art; resized once to 64 pixels and kept.

Parts hold drawings of unseen things: all that shows the same thing lies in the same part.
"""

import json
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image, ImageOps
from torch import Tensor

from jepakit.contracts import BrokenSample
from jepakit.data.arrays import Arrays
from jepakit.data.decode import read_file
from jepakit.data.fetch import check, fetch_debian, fetch_npm, keep
from jepakit.data.sources import TEST, TRAIN, VALIDATION, Listing, hashed_shares

Vendor = Literal["google", "twitter"]

SIZE = 64
CLIPART_FOLDER = "openclipart-0.18-64px"
_EMOJI_VERSION = "16.0.0"
_EMOJI_CHECKSUM = {
    "google": "1790b67ce8712ac2e3c2b0e01a8c0bd17c557279b94e2d0e8a9fb975ad8fdc17",
    "twitter": "051442cd363483d7607cc7c61297e253eaecc5ac1b92a8a9a8968f5ce67fe4b5",
}
EMOJI_NOTICE = {
    "google": "Noto Emoji by Google, Apache License 2.0, https://github.com/googlefonts/noto-emoji",
    "twitter": "Twemoji by Twitter and contributors, CC-BY 4.0, https://github.com/jdecked/twemoji",
}
_EMOJI_HELD_OUT = 0.25
_CLIPART_CHECKSUM = "3ce93e2b9a2980f6c5a3cbbc80118c47acb19b6f355c72a4b0f709a591e91ca2"
_CLIPART_NOTICE = "Open Clip Art Library 0.18, public domain (Debian package openclipart-png)"
_CLIPART_HELD_OUT = 0.2
# The ten largest folders of drawings; "computer", "shapes" and "unsorted" say little of what is drawn.
_CLIPART_CLASSES = (
    *("animals", "food", "geography", "office", "people"),
    *("recreation", "signs_and_symbols", "special", "tools", "transportation"),
)
_VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Drawing:
    """A picture file and what it shows.

    `category` is empty for drawings that are only pretrained on; `thing` is what keeps alike drawings together.
    """

    path: Path
    name: str
    category: str
    thing: str


def emoji_folder(vendor: Vendor) -> str:
    """The folder of the cache that holds a vendor's drawings."""
    return f"emoji-{vendor}-{_EMOJI_VERSION}-{SIZE}px"


def open_emoji(vendor: Vendor) -> Arrays:
    """The emoji of one vendor in nine categories; a quarter of all things is held out as test, of both vendors alike.

    Variants of skin tone have no label: they are only pretrained on, and not if their emoji is held out.
    """

    def make(into: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            _keep_drawings(fetch_emoji(vendor, Path(scratch)), EMOJI_NOTICE[vendor], into)

    return _open_kept(keep(emoji_folder(vendor), make), _EMOJI_HELD_OUT)


def fetch_emoji(vendor: Vendor, into: Path) -> list[Drawing]:
    """The emoji of one vendor, of known content, unpacked below `into`. Raises Unavailable."""
    fetch_npm(f"emoji-datasource-{vendor}@{_EMOJI_VERSION}", into)
    check(into, f"package/img/{vendor}/64/*.png", _EMOJI_CHECKSUM[vendor], f"the emoji of {vendor}")
    return list(_list_emoji(into / "package", vendor))


def emoji_parts(things: Sequence[str]) -> Int[Tensor, "n"]:
    """The part of each emoji, which depends on nothing but the thing that it shows."""
    return _parts_of(things, _EMOJI_HELD_OUT)


def open_clipart() -> Arrays:
    """Open Clip Art: labels for the ten categories that say what is drawn, all others only to pretrain on."""

    def make(into: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            fetch_debian("openclipart-png", Path(scratch))
            found = Path(scratch) / "usr/share/openclipart/png"
            check(found, "**/*.png", _CLIPART_CHECKSUM, "Open Clip Art")
            _keep_drawings(list(_list_clipart(found)), _CLIPART_NOTICE, into)

    return _open_kept(keep(CLIPART_FOLDER, make), _CLIPART_HELD_OUT)


def _list_emoji(package: Path, vendor: Vendor) -> Iterator[Drawing]:
    folder = package / "img" / vendor / "64"
    for emoji in json.loads((package / "emoji.json").read_text()):
        thing, category = _thing(emoji["unified"]), emoji["category"]
        labeled = "" if category == "Component" else category
        if emoji[f"has_img_{vendor}"]:
            yield Drawing(folder / emoji["image"], emoji["short_name"], labeled, thing)
        for tone, variant in sorted(emoji.get("skin_variations", {}).items()):
            if variant[f"has_img_{vendor}"]:
                yield Drawing(folder / variant["image"], f"{emoji['short_name']} {tone}", "", thing)


def _thing(unified: str) -> str:
    """The code points of an emoji without gender, joiners and presentation: man, woman and person are one thing."""
    people, silent = {"1F468", "1F469", "1F9D1"}, {"200D", "FE0F", "2640", "2642"}
    return "-".join("person" if point in people else point for point in unified.split("-") if point not in silent)


def _list_clipart(root: Path) -> Iterator[Drawing]:
    for path in sorted(root.rglob("*.png")):
        if path.is_symlink():  # the same drawing under a second category
            continue
        place = path.relative_to(root).with_suffix("")
        category = place.parts[0] if place.parts[0] in _CLIPART_CLASSES else ""
        yield Drawing(path, place.as_posix(), category, re.sub(r"[\d_-]+$", "", place.name.lower()) or place.name)


def _keep_drawings(drawings: list[Drawing], notice: str, into: Path) -> None:
    read, images = [], []
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        for drawing in drawings:
            try:
                images.append(_shrink(drawing.path))
                read.append(drawing)
            except BrokenSample:  # fifteen drawings of Open Clip Art have more than 89 million pixels
                continue
    np.savez_compressed(
        into / "pictures.npz",
        images=np.stack(images),
        names=np.array([drawing.name for drawing in read]),
        categories=np.array([drawing.category for drawing in read]),
        things=np.array([drawing.thing for drawing in read]),
    )
    (into / "NOTICE").write_text(f"{notice}\nResized to {SIZE} x {SIZE} pixels on white. {len(read)} drawings.\n")


def _shrink(path: Path) -> np.ndarray:
    pixels = read_file(path)
    image = Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).numpy())
    return np.asarray(ImageOps.pad(image, (SIZE, SIZE), Image.Resampling.BICUBIC, color="white"))


def _open_kept(folder: Path, held_out: float) -> Arrays:
    with np.load(folder / "pictures.npz", allow_pickle=False) as kept:
        images, names, categories, things = (kept[key] for key in ("images", "names", "categories", "things"))
    classes = tuple(sorted({str(category) for category in categories if category}))
    number = {"": -1} | {category: index for index, category in enumerate(classes)}
    labels = torch.tensor([number[str(category)] for category in categories])
    parts = _parts_of([str(thing) for thing in things], held_out)
    unlabeled = Counter(labels.tolist())[-1]
    notes = (
        f"{held_out:.0%} of the things drawn are held out as the test part, {_VALIDATION_SHARE:.0%} are validation",
        f"{unlabeled} of {len(images)} drawings have no label and are only pretrained on",
    )
    return Arrays([images], Listing([str(name) for name in names], labels, classes, parts, notes=notes))


def _parts_of(things: Sequence[str], held_out: float) -> Int[Tensor, "n"]:
    shares = hashed_shares(things)
    parts = torch.full((len(things),), TRAIN)
    parts[shares < held_out + _VALIDATION_SHARE] = VALIDATION
    parts[shares < held_out] = TEST
    return parts
