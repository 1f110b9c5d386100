"""Pictures in NumPy files: .npy (mapped, never loaded whole) and .npz."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from jepakit.data.sources import PARTS, Listing

_IMAGE_KEYS = ("x", "images", "image", "data")
_LABEL_KEYS = ("y", "labels", "label")


class Arrays:
    """Rows of uint8 arrays [n h w] or [n h w c], one array a part."""

    def __init__(self, images: list[np.ndarray], listing: Listing) -> None:
        self.listing = listing
        self._images = images
        self._starts = np.cumsum([0] + [len(array) for array in images])

    def read(self, row: int) -> UInt8[Tensor, "c h w"]:
        """A copy of one row."""
        which = int(np.searchsorted(self._starts, row, side="right")) - 1
        pixels = np.array(self._images[which][row - self._starts[which]])
        return torch.from_numpy(pixels[:, :, None] if pixels.ndim == 2 else pixels).permute(2, 0, 1)


def open_arrays(path: Path) -> Arrays:
    """The pictures of a .npy or .npz file. Raises ValueError that says what such a file has to hold.

    A .npz holds "x" or "images", and "y" or "labels" where there are labels; or one of each for a part: "x_train",
    "y_train", "x_test", "y_test". "classes" may name the classes.
    """
    return arrays_from(load_arrays(path), str(path))


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npy file (mapped, and called "x") or a .npz file. Raises ValueError if it is neither."""
    try:
        found = np.load(path, mmap_mode="r" if path.suffix == ".npy" else None, allow_pickle=False)
        return {"x": found} if isinstance(found, np.ndarray) else {key: found[key] for key in found.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a NumPy file of plain numbers: {error}") from None


def arrays_from(content: Mapping[str, np.ndarray], name: str) -> Arrays:
    """The pictures among named arrays; `name` is what a message calls them."""
    arrays, listing = list_arrays(content, name, _IMAGE_KEYS, "picture")
    for images in arrays:
        if (
            images.dtype != np.uint8
            or images.ndim not in (3, 4)
            or (images.ndim == 4 and images.shape[3] not in (1, 3))
        ):
            raise ValueError(
                f"{name}: pictures are bytes (uint8) of shape [n h w] or [n h w c] with 1 or 3 channels, "
                f"these are {images.dtype} of shape {images.shape}"
            )
    return Arrays(arrays, listing)


def list_arrays(
    content: Mapping[str, np.ndarray], name: str, keys: tuple[str, ...], kind: str
) -> tuple[list[np.ndarray], Listing]:
    """The arrays of samples, under one of `keys`, one a part, and their listing. Raises ValueError without any."""
    whole = [(None, _first(content, keys, ""), _first(content, _LABEL_KEYS, ""))]
    by_part = [
        (code, _first(content, keys, f"_{part}"), _first(content, _LABEL_KEYS, f"_{part}"))
        for code, part in enumerate(PARTS)
    ]
    pieces = [
        (code, samples, labels)
        for code, samples, labels in (*whole, *by_part)
        if samples is not None and len(samples) > 0
    ]
    if not pieces:
        places = f"'{keys[0]}' or '{keys[1]}'"
        raise ValueError(f"{name} holds {', '.join(sorted(content))}; {kind}s are looked for under {places}")
    for _, samples, labels in pieces:
        if labels is not None and labels.shape != (len(samples),):
            raise ValueError(f"{name}: {len(samples)} {kind}s need as many labels, their shape is {labels.shape}")
    labels = [labels for _, _, labels in pieces]
    known = [array for array in labels if array is not None]
    if known and len(known) < len(labels):
        raise ValueError(f"{name} has labels for some of its parts only; give labels for all of them or for none")
    numbers, classes = number_labels(np.concatenate(known), content.get("classes")) if known else (None, None)
    counts = [len(samples) for _, samples, _ in pieces]
    codes = [code for code, _, _ in pieces]
    parts = None
    if None not in codes:
        parts = torch.repeat_interleave(torch.tensor([code or 0 for code in codes]), torch.tensor(counts))
    listing = Listing([f"row {row}" for row in range(sum(counts))], numbers, classes, parts)
    return [samples for _, samples, _ in pieces], listing


def number_labels(
    labels: np.ndarray, names: np.ndarray | tuple[str, ...] | None = None
) -> tuple[Int[Tensor, "n"], tuple[str, ...]]:
    """Labels of any kind as numbers from 0, and the names of the classes, which default to the labels themselves."""
    if names is not None and np.issubdtype(labels.dtype, np.integer):
        if len(labels) and not -1 <= labels.min() <= labels.max() < len(names):
            raise ValueError(f"labels run from {labels.min()} to {labels.max()}, but {len(names)} classes are named")
        return torch.from_numpy(labels.astype(np.int64)), tuple(str(name) for name in names)
    values, numbers = np.unique(labels, return_inverse=True)
    return torch.from_numpy(numbers.astype(np.int64)), tuple(str(value) for value in values)


def _first(content: Mapping[str, np.ndarray], keys: tuple[str, ...], ending: str) -> np.ndarray | None:
    return next((content[key + ending] for key in keys if key + ending in content), None)
