"""The house format of trajectories: a folder with `episodes/000000.npz`, ... and `manifest.json`.

Arrays are stored uncompressed, so that a window is read from its place in the file without the rest. The manifest says
what made the episodes and holds a checksum of each file. Files are written aside and renamed: what is there is whole.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jepakit.data.trajectory import Arrays, require_episode

MANIFEST = "manifest.json"
FORMAT = 1
_NOTED_EVERY = 50
"""Episodes between two writings of the manifest: so many are made again, at most, where a collection was cut off."""

Make = Callable[[Sequence[int]], Iterator[Arrays]]
"""Makes the episodes with these numbers, in this order; an episode depends on its number alone."""
Progress = Callable[[int, int], None]
"""Is told how many episodes there are, of how many."""


@dataclass(frozen=True)
class Entry:
    """What the manifest says of an episode."""

    sha256: str
    bytes: int
    moments: int


@dataclass(frozen=True)
class Manifest:
    """What made the episodes (`about`: plain values), how many were asked for, the sizes of a moment, and the files.

    `sizes` are [h w c] of frames and [k] of actions, proprio and states.
    """

    about: Mapping[str, Any]
    asked: int
    sizes: Mapping[str, list[int]]
    episodes: Mapping[str, Entry]

    @property
    def is_complete(self) -> bool:
        return len(self.episodes) == self.asked


def episode_path(folder: Path, name: str) -> Path:
    """Where an episode of the house format lies."""
    return folder / "episodes" / f"{name}.npz"


def episode_name(number: int) -> str:
    """What an episode is called: its number in six digits."""
    return f"{number:06d}"


def write_episodes(
    folder: Path, count: int, make: Make, about: Mapping[str, Any], progress: Progress | None = None
) -> Manifest:
    """Writes `count` episodes, of which those that are there and whole are not made again.

    `about` says what makes them (world, sizes, policy, seed): plain values that go through JSON. Raises ValueError
    where the folder holds something else, and where `make` gives what is no episode.
    """
    if count < 1:
        raise ValueError(f"at least one episode is written, got {count}")
    about = json.loads(json.dumps(dict(about)))
    entries, sizes = _kept(folder, about, count)
    missing = [number for number in range(count) if episode_name(number) not in entries]
    (folder / "episodes").mkdir(parents=True, exist_ok=True)
    made = make(missing)
    try:
        for done, number in enumerate(missing, start=1):
            name = episode_name(number)
            episode = require_episode(_next(made, name), name)
            sizes = _same_sizes(sizes, episode, name)
            entries[name] = _write(episode_path(folder, name), episode)
            if progress is not None:
                progress(count - len(missing) + done, count)
            if done % _NOTED_EVERY == 0:
                write_manifest(folder, Manifest(about, count, sizes, entries))
    finally:
        if entries:  # else nothing was made, and the folder is free for something else
            write_manifest(folder, Manifest(about, count, sizes, entries))
    return Manifest(about, count, sizes, entries)


def read_manifest(folder: Path) -> Manifest:
    """What the folder holds. Raises ValueError where its manifest is missing or cannot be read."""
    path = folder / MANIFEST
    try:
        body = json.loads(path.read_text())
        entries = {name: Entry(**entry) for name, entry in body["episodes"].items()}
        if body["format"] != FORMAT:
            raise ValueError(f"format {body['format']!r} is not {FORMAT}, the one that this version reads")
        return Manifest(body["about"], body["asked"], body["sizes"], entries)
    except FileNotFoundError:
        raise ValueError(f"{folder} has no {MANIFEST}, so it is not a folder of episodes") from None
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not a manifest of episodes: {error}") from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest aside and renames it; episodes are sorted by name."""
    entries = {name: asdict(manifest.episodes[name]) for name in sorted(manifest.episodes)}
    body = {"format": FORMAT, "about": manifest.about, "asked": manifest.asked, "sizes": manifest.sizes}
    aside = folder / f".{MANIFEST}"
    aside.write_text(json.dumps({**body, "episodes": entries}, indent=1) + "\n")
    os.replace(aside, folder / MANIFEST)


def find_damaged(folder: Path) -> dict[str, str]:
    """The episodes whose files are not what the manifest says, with the reason; every byte is read.

    Raises ValueError without a manifest.
    """
    entries = read_manifest(folder).episodes
    found = {name: damage_of(episode_path(folder, name), entry) for name, entry in entries.items()}
    return {name: reason for name, reason in found.items() if reason is not None}


def damage_of(path: Path, entry: Entry, content: bool = True) -> str | None:
    """What is wrong with a file, or None: its size, and with `content` its checksum, which takes reading it."""
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            return f"it has {size} bytes, {entry.bytes} were written"
        if content and _checksum(path) != entry.sha256:
            return "its content is not what was written"
    except FileNotFoundError:
        return "its file is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return None


def _kept(folder: Path, about: Mapping[str, Any], count: int) -> tuple[dict[str, Entry], dict[str, list[int]]]:
    """The episodes that need not be made again."""
    if not (folder / MANIFEST).exists():
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "episodes").is_dir():
            raise ValueError(f"{folder} holds something else; write the episodes to an empty folder")
        return {}, {}
    found = read_manifest(folder)
    if found.about != about:
        raise ValueError(f"{folder} holds episodes that were made otherwise; write these to another folder")
    names = {episode_name(number) for number in range(count)}
    if beyond := len(found.episodes.keys() - names):
        raise ValueError(f"{folder} holds {beyond} episodes more than the {count} asked for; use another folder")
    damaged = find_damaged(folder)
    kept = {name: entry for name, entry in found.episodes.items() if name not in damaged}
    return kept, {key: list(size) for key, size in found.sizes.items()}


def _next(made: Iterator[Arrays], name: str) -> Arrays:
    try:
        return next(made)
    except StopIteration:
        raise ValueError(f"episode {name} was asked for, but whatever makes episodes gave no more") from None


def _same_sizes(sizes: Mapping[str, list[int]], episode: Arrays, name: str) -> dict[str, list[int]]:
    found = {key: list(value.shape[1:]) for key, value in episode.items()}
    if sizes and found != sizes:
        raise ValueError(f"{name}: all episodes of a folder have the same sizes, {dict(sizes)}; this one has {found}")
    return found


def _write(path: Path, episode: Mapping[str, np.ndarray]) -> Entry:
    aside = path.with_name(f".{path.name}")
    with zipfile.ZipFile(aside, "w") as archive:
        for key, values in episode.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(values), allow_pickle=False)
    entry = Entry(_checksum(aside), aside.stat().st_size, len(episode["frames"]))
    os.replace(aside, path)
    return entry


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
