"""What a run writes down: run.json once, a line of metrics.jsonl per log step, and every sample that was broken."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from jepakit.train.batches import Broken
from jepakit.train.checkpoint import write_aside
from jepakit.train.parallel import Place
from jepakit.train.run import Run
from jepakit.train.sinks import Writer, open_sink
from jepakit.train.stops import CannotWrite

PACKAGES = ("jepakit", "torch", "numpy", "pillow", "simplejpeg", "av", "safetensors")


def read_run(out: Path, trusted: bool = False) -> Run:
    """The Run that a folder holds. Raises ValueError with one sentence if it holds none."""
    path = out / "run.json"
    if not path.exists():
        raise ValueError(f"{out} holds no run: there is no run.json in it; give the folder that --out named")
    try:
        return Run.from_json(json.loads(path.read_text())["run"], trusted)
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as a run: {error}") from None


class Journal:
    """The log of a run: files in its folder and the sinks beside. Ranks other than the first write nothing."""

    def __init__(self, out: Path, run: Run, place: Place, done: int) -> None:
        self.out, self.run, self.place = out, run, place
        self.writers: list[Writer] = []
        if not place.first:
            return
        with _sentence(out):
            out.mkdir(parents=True, exist_ok=True)
            name = write_run(out, run, place)
            for file in ("metrics.jsonl", "broken.jsonl"):
                forget_after(out / file, done)
        with _sentence(out):
            self.writers = [open_sink(sink, out, name, run) for sink in run.sinks]

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self.writers:
            writer.close()

    def write(self, line: Mapping[str, Any]) -> None:
        """Adds a line {"step", ...} to metrics.jsonl, and its numbers to the sinks. Raises CannotWrite."""
        if not self.place.first:
            return
        with _sentence(self.out):
            append(self.out / "metrics.jsonl", [line])
            values = dict(flat_numbers(line))
            del values["step"]
            for writer in self.writers:
                writer.write(line["step"], values)

    def name_broken(self, step: int, broken: Sequence[Broken]) -> None:
        """Adds the samples that could not be read to broken.jsonl. Raises CannotWrite."""
        if self.place.first and broken:
            with _sentence(self.out):
                append(self.out / "broken.jsonl", [{"step": step, **asdict(sample)} for sample in broken])

    def names_of_broken(self) -> tuple[str, ...]:
        """The samples that broken.jsonl speaks of, each once, in the order in which they were met."""
        path = self.out / "broken.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return tuple(dict.fromkeys(json.loads(line)["name"] for line in lines))


def append(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Adds lines to a file in one write."""
    with path.open("a") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))


def forget_after(path: Path, step: int) -> None:
    """Drops the lines of steps that will be done again, and what a killed run left of its last line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue
    write_aside(path, "".join(kept))


def flat_numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Nested numbers by path: {"terms": {"prediction": 1}} is terms/prediction 1."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat_numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", value


def write_run(out: Path, run: Run, place: Place) -> str:
    """run.json: the resolved Run, and what else its result may depend on. Earlier starts of the run are kept.

    Returns the name by which others may know the run: its folder and when it was first started.
    """
    path = out / "run.json"
    starts = json.loads(path.read_text())["starts"] if path.exists() else []
    started = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(
            ["jepakit", *sys.argv[1:]] if Path(sys.argv[0]).stem in ("jepakit", "__main__") else sys.argv
        ),
        "versions": versions(),
        "git": revision(),
        "machine": machine(place),
    }
    starts.append(started)
    write_aside(path, json.dumps({"run": run.to_json(), "starts": starts}, indent=2))
    first = datetime.fromisoformat(starts[0]["date"])
    return f"{out.resolve().name}-{first:%Y%m%d-%H%M%S}"


def versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def revision() -> str | None:
    """The git revision of the library with a mark if it was changed; None if it is installed from a package."""
    home = Path(__file__).parents[2]
    if not (home / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=home, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def machine(place: Place) -> dict[str, Any]:
    """What speed and rounding depend on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if place.device.type == "cuda" else None,
        "ranks": place.ranks,
        "mode": place.mode,
        "dtype": str(place.dtype).removeprefix("torch."),
    }


def _cpu_model() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@contextmanager
def _sentence(out: Path) -> Iterator[None]:
    """A disk that cannot be written to as one sentence."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(
            f"the log in {out} could not be written: {error.strerror or error}. "
            f"Make room, then go on with: jepakit train --resume {out}"
        ) from None
