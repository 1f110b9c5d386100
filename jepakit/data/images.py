"""Pictures from anywhere as a Dataset: a folder, arrays, tables, tar shards, or a packaged set."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from jepakit.config import Config, added
from jepakit.data.arrays import open_arrays
from jepakit.data.decode import SUFFIXES
from jepakit.data.folders import open_folder
from jepakit.data.order import generator_for, shuffle
from jepakit.data.packaged import open_packaged
from jepakit.data.shards import open_shards
from jepakit.data.sources import Listing, Part, Source, labeled_rows, rows_to_pretrain, settle_parts
from jepakit.data.tables import open_tables
from jepakit.data.transforms import ImageTransform, RandomResizedCrop, recolor
from jepakit.data.views import Views

_PACKAGED = "packaged:"
# Mean and standard deviation of Fashion-MNIST's 60,000 training pictures.
FASHION_MNIST = ImageTransform(size=28, channels=1, mean=(0.2860,), std=(0.3530,))


@dataclass(frozen=True, kw_only=True)
class Images(Config):
    """Pictures to train on, and parts of them to measure with.

    `root` is a folder of pictures (with or without folders for train, val, test and for classes), a .npy or .npz
    file, .parquet or .arrow file(s), tar shards ("shards-{0000..0007}.tar" or their folder), or "packaged:NAME".
    """

    root: str = "packaged:fashion-mnist"
    transform: ImageTransform = FASHION_MNIST
    augment: RandomResizedCrop | None = None
    views: Views | None = added(None)  # noqa: RUF009
    """Several views of each picture, for methods that compare views; they are crops themselves, so no `augment`."""

    def __post_init__(self) -> None:
        if self.views is not None and self.augment is not None:
            raise ValueError("data.views cuts its own crops, so data.augment has to be None beside it")

    def build(self) -> "ImageDataset":
        """What is pretrained on: every picture outside of the test part, augmented, or as several views."""
        source, listing = self._opened
        return ImageDataset(source, listing, rows_to_pretrain(listing), self.transform, self.augment, self.views)

    def split(self, part: Part, augmented: bool = False) -> "ImageDataset | None":
        """The labeled pictures of one part, not augmented unless asked for; None if there are none.

        Where there are several views in pretraining, augmented pictures are crops like theirs, without distortions.
        """
        source, listing = self._opened
        rows = labeled_rows(listing, part)
        crop = self.augment if self.views is None else self.views.crop
        augment = crop if augmented else None
        return ImageDataset(source, listing, rows, self.transform, augment) if len(rows) else None

    def everything(self) -> "ImageDataset":
        """Every picture in the order of the source, not augmented: what `embed` goes through."""
        source, listing = self._opened
        return ImageDataset(source, listing, torch.arange(len(listing.names)), self.transform, None)

    def notes(self) -> list[str]:
        """What a user should know of the data: where parts come from, what was passed over."""
        return list(self._opened[1].notes)

    def passed_over(self) -> list[str]:
        """Those of the notes that hold for whoever reads everything, whatever the parts."""
        return list(self._opened[0].listing.notes)

    @cached_property
    def _opened(self) -> tuple[Source, Listing]:
        source = open_source(self.root)
        return source, settle_parts(source.listing)


def open_source(root: str) -> Source:
    """The pictures at `root`, whatever they are stored as. Raises ValueError if there is nothing that can be read."""
    if root.startswith(_PACKAGED):
        return open_packaged(root.removeprefix(_PACKAGED))
    paths = expand_braces(root)
    if missing := [path for path in paths if not path.exists()]:
        raise ValueError(f"there is nothing at {missing[0]}; give a folder, a file, or {_PACKAGED}NAME")
    if len(paths) == 1 and paths[0].is_dir():
        return _open_directory(paths[0])
    suffixes = {path.suffix for path in paths}
    if suffixes <= {".npy", ".npz"} and len(paths) == 1:
        return open_arrays(paths[0])
    if suffixes <= {".parquet", ".arrow"}:
        return open_tables(paths)
    if suffixes == {".tar"}:
        return open_shards(paths)
    raise ValueError(f"{root} is not a folder, .npy, .npz, .parquet, .arrow or .tar, so its pictures cannot be read")


def expand_braces(root: str) -> list[Path]:
    """The files that "a-{08..10}.tar" means: a-08.tar, a-09.tar, a-10.tar; a root without braces as it is."""
    found = re.fullmatch(r"(.*)\{(\d+)\.\.(\d+)\}(.*)", root)
    if found is None:
        return [Path(root).expanduser()]
    start, first, last, end = found.groups()
    if int(first) > int(last):
        raise ValueError(f"{root} counts from {first} to {last}; give the smaller number first")
    return [Path(f"{start}{n:0{len(first)}}{end}").expanduser() for n in range(int(first), int(last) + 1)]


def _open_directory(folder: Path) -> Source:
    """Shards or tables in the folder or one below it; else, or with pictures beside them, a folder of picture files."""
    near: dict[str, list[Path]] = {".tar": [], ".parquet": [], ".arrow": []}
    for path in itertools.chain(folder.glob("*"), folder.glob("*/*")):
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            return open_folder(folder)
        if suffix in near and not path.name.startswith((".", "cache-")):  # cache-*: indices of `datasets`
            near[suffix].append(path)
    if near[".tar"]:
        return open_shards(sorted(near[".tar"]))
    tables = sorted(near[".parquet"] + near[".arrow"])
    return open_tables(tables) if tables else open_folder(folder)


class ImageDataset:
    """Some rows of a source, made into input: a `contracts.Dataset` with an order of its own."""

    labels: Int[Tensor, "n"] | None
    classes: tuple[str, ...] | None

    def __init__(
        self,
        source: Source,
        listing: Listing,
        rows: Int[Tensor, "n"],
        transform: ImageTransform,
        augment: RandomResizedCrop | None,
        views: Views | None = None,
    ) -> None:
        labels = None if listing.labels is None else listing.labels[rows]
        self.labels = labels if labels is not None and bool((labels >= 0).all()) else None
        self.classes = listing.classes if self.labels is not None else None
        self._source, self._listing, self._rows = source, listing, rows
        self._transform, self._augment, self._views = transform, augment, views

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, index: int, epoch: int, seed: int) -> Mapping[str, Tensor]:
        """The sample: "x" [c h w] float32, the other views, and "label" where all have one. Raises BrokenSample."""
        pixels = self._source.read(int(self._rows[index]))
        if self._views is not None:
            sample = self._views(pixels, self._transform, generator_for(seed, epoch, index))
        else:
            sample = {"x": self._transform.normalize(self._look(pixels, index, epoch, seed))}
        return sample if self.labels is None else {**sample, "label": self.labels[index]}

    def name(self, index: int) -> str:
        """The path below the root, the shard and member, or the row."""
        return self._listing.names[int(self._rows[index])]

    def order(self, epoch: int, seed: int) -> Int[Tensor, "n"]:
        """A permutation that depends on (seed, epoch) alone."""
        return shuffle(self._listing, self._rows, epoch, seed)

    def _look(self, pixels: UInt8[Tensor, "c h w"], index: int, epoch: int, seed: int) -> UInt8[Tensor, "k s s"]:
        """The one view of a picture, as bytes."""
        if self._augment is None:
            return self._transform.fit(pixels)
        generator = generator_for(seed, epoch, index)
        view = self._augment(pixels, self._transform.size, self._transform.interpolation, generator)
        return recolor(view, self._transform.channels)
