"""Fetching packages of Debian and npm without root, into a cache; what is kept there was checked and has a NOTICE."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

_PATIENCE = 600


class Unavailable(ValueError):
    """A packaged set that cannot be had here: one sentence that says why, and what helps."""


def cache_folder() -> Path:
    """Where fetched sets are kept: $JEPAKIT_CACHE, or ~/.cache/jepakit."""
    given = os.environ.get("JEPAKIT_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "jepakit"


def keep(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache. If it is not there, `make` fills a new one, which appears whole or not at all."""
    place = cache_folder() / name
    if place.is_dir():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            make(made)
            if not place.is_dir():
                made.rename(place)
    except OSError as error:
        if not place.is_dir():  # else another process was faster, and its folder is as good
            raise Unavailable(f"{name} cannot be kept in {place.parent}: {error.strerror or error}") from None
    return place


def fetch_debian(package: str, into: Path) -> None:
    """Unpacks a Debian package below `into`, by apt-get and dpkg-deb and without installing it. Raises Unavailable."""
    for tool in ("apt-get", "dpkg-deb"):
        _require(tool, f"{package} is a package of Debian and Ubuntu; install it there")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            _run(["apt-get", "download", package], scratch)
        except Unavailable:
            _run(["apt-get", *_own_lists(Path(scratch)), "update"], scratch)
            _run(["apt-get", *_own_lists(Path(scratch)), "download", package], scratch)
        archives = sorted(Path(scratch).glob("*.deb"))
        if not archives:
            raise Unavailable(f"apt-get downloaded no {package}; look with: apt-cache policy {package}")
        _run(["dpkg-deb", "-x", str(archives[0]), str(into)], scratch)


def fetch_npm(package: str, into: Path) -> None:
    """Unpacks the npm package NAME@VERSION below `into`, running none of its scripts. Raises Unavailable."""
    _require("npm", f"{package} is an npm package; install Node.js")
    with tempfile.TemporaryDirectory() as scratch:
        _run(["npm", "pack", "--silent", package], scratch)
        archives = sorted(Path(scratch).glob("*.tgz"))
        if not archives:
            raise Unavailable(f"npm packed no {package}")
        try:
            with tarfile.open(archives[0]) as archive:
                archive.extractall(into, filter="data")
        except tarfile.TarError as error:
            raise Unavailable(f"the archive of {package} is broken or leaves its folder: {error}") from None


def check(folder: Path, pattern: str, expected: str, what: str) -> None:
    """Raises Unavailable unless the files of `folder` that match `pattern` are those that this version knows."""
    found = tree_checksum(folder, pattern)
    if found != expected:
        raise Unavailable(f"{what} as fetched is not the one this version knows (checksum {found[:12]})")


def tree_checksum(folder: Path, pattern: str) -> str:
    """SHA-256 over the relative paths and contents of the matching files: repackaging changes nothing."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob(pattern) if path.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _own_lists(scratch: Path) -> list[str]:
    """Options with which apt-get needs no root: its package lists in a folder of ours."""
    (scratch / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (scratch / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={scratch / 'lists'}", "-o", f"Dir::Cache={scratch / 'cache'}"]


def _require(tool: str, advice: str) -> None:
    if shutil.which(tool) is None:
        raise Unavailable(f"{tool} is not on this machine: {advice}")


def _run(command: list[str], folder: str) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        raise Unavailable(f"`{' '.join(command)}` failed: {lines[-1] if lines else 'it did not say why'}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"`{' '.join(command)}` failed: {error}") from None
