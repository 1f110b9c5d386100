"""Where videos lie: files below a folder, lists of paths, folders of frames, arrays, tar shards; pictures, too."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from jepakit.data.arrays import list_arrays, load_arrays, number_labels
from jepakit.data.clips import ArrayClip, Clip, by_numbers
from jepakit.data.folders import arrange, list_files
from jepakit.data.frames import regular_clock
from jepakit.data.images import expand_braces, open_source
from jepakit.data.shards import Shards, open_shards
from jepakit.data.sources import Listing, Source, part_of, parts_of_files
from jepakit.data.video_files import VIDEO_SUFFIXES, Opener, is_still, is_video
from jepakit.data.video_lists import LIST_SUFFIXES, is_list_of_paths, read_list

PICTURES = "pictures:"
_CLIP_KEYS = ("x", "clips", "videos", "data")
# So many paths of a list are looked for at once, to tell a list in a wrong folder from one with a few missing files.
_LOOKED_FOR = 1000


@runtime_checkable
class VideoSource(Protocol):
    """Videos by row, from one kind of storage. It can be pickled; what it opens is closed by who asked for it."""

    listing: Listing

    def open(self, row: int) -> Clip:
        """The video, ready to be read. Raises BrokenSample."""
        ...


class VideoPaths:
    """Files, or folders of frames, by path; row `i` lies below `folders[which[i]]`, or below the only folder."""

    def __init__(self, folders: list[Path], which: list[int] | None, listing: Listing, opener: Opener) -> None:
        self.listing, self._opener = listing, opener
        self._folders, self._which = folders, which

    def open(self, row: int) -> Clip:
        """The file or folder. Raises BrokenSample."""
        return self._opener.path(self.path(row), self.listing.names[row])

    def path(self, row: int) -> Path:
        """Where the video lies."""
        return self._folders[self._which[row] if self._which else 0] / self.listing.names[row]


class VideoShards:
    """Members of tar files, decoded from memory."""

    def __init__(self, shards: Shards, opener: Opener) -> None:
        self.listing, self._shards, self._opener = shards.listing, shards, opener

    def open(self, row: int) -> Clip:
        """The member. Raises BrokenSample."""
        return self._opener.content(self._shards.read_bytes(row), self.listing.names[row])


class VideoArrays:
    """Rows of arrays [n t h w] or [n t h w c], one array a part."""

    def __init__(self, arrays: list[np.ndarray], listing: Listing, rate: float | None) -> None:
        self.listing, self._arrays, self._rate = listing, arrays, rate
        self._starts = np.cumsum([0] + [len(array) for array in arrays])

    def open(self, row: int) -> Clip:
        """The row."""
        which = int(np.searchsorted(self._starts, row, side="right")) - 1
        array = self._arrays[which][row - self._starts[which]]
        clock = None if self._rate is None else regular_clock(len(array), self._rate)
        return ArrayClip(array, self.listing.names[row], clock)


class Stills:
    """The pictures of another source, each a video of one frame."""

    def __init__(self, pictures: Source) -> None:
        self.listing, self._pictures = pictures.listing, pictures

    def open(self, row: int) -> Clip:
        """The picture. Raises BrokenSample."""
        pixels = self._pictures.read(row).permute(1, 2, 0).numpy()
        return ArrayClip(pixels[None], self.listing.names[row])


def open_videos(root: str, opener: Opener) -> VideoSource:
    """The videos at `root`, whatever they are stored as. Raises ValueError if there is nothing that can be read."""
    if root.startswith(PICTURES):
        return Stills(open_source(root.removeprefix(PICTURES)))
    paths = expand_braces(root)
    if missing := [path for path in paths if not path.exists()]:
        raise ValueError(f"there is nothing at {missing[0]}; give a folder, a list or a file of videos")
    if len(paths) == 1 and paths[0].is_dir():
        return _open_directory(paths[0], opener)
    suffixes = {path.suffix.lower() for path in paths}
    if suffixes == {".tar"}:
        return _open_shards(paths, opener)
    if suffixes == {".npz"} and len(paths) == 1:
        return _open_arrays(paths[0], opener)
    if suffixes == {".npy"} and len(paths) == 1 and _holds_numbers(paths[0]):
        return _open_arrays(paths[0], opener)
    if suffixes <= set(LIST_SUFFIXES):
        return _open_lists(paths, opener)
    if len(paths) == 1 and (is_video(paths[0].name) or is_still(paths[0].name)):
        opener.require()
        return VideoPaths([paths[0].parent], None, arrange([paths[0].name]), opener)
    raise ValueError(
        f"{root} is not a folder, a video, an array (.npy, .npz), a list ({', '.join(LIST_SUFFIXES)}) or tar shards, "
        "so its videos cannot be read"
    )


def _holds_numbers(path: Path) -> bool:
    """Whether a .npy file holds clips; words, and what cannot be read, are looked into as a list."""
    try:
        return not is_list_of_paths(load_arrays(path)["x"])
    except ValueError:
        return False


def _open_directory(folder: Path, opener: Opener) -> VideoSource:
    """Videos below the folder, else shards or lists of its parts in it, else folders of frames below it."""
    near = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    frames = _frame_folders(folder)
    if frames is None:
        opener.require()
        return VideoPaths([folder], None, list_files(folder, VIDEO_SUFFIXES, "video"), opener)
    if shards := [path for path in near if path.suffix == ".tar"]:
        return _open_shards(shards, opener)
    if lists := [path for path in near if path.suffix.lower() in LIST_SUFFIXES and part_of(path.stem) is not None]:
        return _open_lists(lists, opener)
    if frames:
        return VideoPaths([folder], None, arrange(frames), opener)
    raise ValueError(
        f"{folder} holds no videos; they are known by their suffix: {', '.join(sorted(VIDEO_SUFFIXES))}; or give a "
        "folder of shards (.tar), of lists called train, val and test, or of folders with the frames of a video each"
    )


def _frame_folders(root: Path) -> list[str] | None:
    """The folders below `root` that hold pictures, each of them a video; None if there are video files."""
    found = []
    for where, folders, files in os.walk(root):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=by_numbers)
        seen = [name for name in files if not name.startswith(".")]
        if any(is_video(name) for name in (*seen, *folders)):
            return None
        if any(is_still(name) for name in seen):
            found.append(Path(where).relative_to(root).as_posix())
    return found


def _open_shards(paths: list[Path], opener: Opener) -> VideoShards:
    opener.require()
    return VideoShards(open_shards(paths, VIDEO_SUFFIXES, "video"), opener)


def _open_arrays(path: Path, opener: Opener) -> VideoArrays:
    arrays, listing = list_arrays(load_arrays(path), str(path), _CLIP_KEYS, "clip")
    for array in arrays:
        if array.dtype != np.uint8 or array.ndim not in (4, 5) or (array.ndim == 5 and array.shape[4] not in (1, 3)):
            raise ValueError(
                f"{path}: clips are bytes (uint8) of shape [n t h w] or [n t h w c] with 1 or 3 channels, "
                f"these are {array.dtype} of shape {array.shape}"
            )
        if 0 in array.shape:
            raise ValueError(f"{path}: its clips have no pixels, their shape is {array.shape}")
    return VideoArrays(arrays, listing, opener.rate)


def _open_lists(paths: Sequence[Path], opener: Opener) -> VideoPaths:
    """The videos that these lists name, relative to the folder of each list. Raises ValueError if none is there."""
    found = [read_list(path) for path in paths]
    names = [name for each, _ in found for name in each]
    which = [number for number, (each, _) in enumerate(found) for _ in each]
    folders = [path.parent for path in paths]
    rows = range(0, len(names), -(-len(names) // _LOOKED_FOR))
    missing = [names[row] for row in rows if not (folders[which[row]] / names[row]).exists()]
    if len(missing) == len(rows):
        raise ValueError(
            f"{paths[0]} names {missing[0]}, which does not exist, nor does any other path in it; paths are taken from "
            "the folder of the list, unless they begin with a /"
        )
    if any(is_video(name) for name in names):
        opener.require()
    labels, classes = None, None
    known = [np.asarray(each) for _, each in found if each is not None]
    if known and len(known) < len(found):
        raise ValueError(f"of the lists beside {paths[0]} some have labels and some have none; give labels to all")
    if known:
        labels, classes = number_labels(np.concatenate(known))
    parts = parts_of_files(paths)
    listing = Listing(names, labels, classes, None if parts is None else parts[torch.tensor(which)])
    if missing:
        note = f"{len(missing)} of {len(rows)} listed videos that were looked for do not exist, such as {missing[0]}"
        listing = replace(listing, notes=(note,))
    return VideoPaths(folders, which, listing, opener)
