"""What the folder of a run says about itself, read without building the model."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jepakit.probes import result
from jepakit.probes.result import Result
from jepakit.train.optimize import AdamW
from jepakit.train.watch import Alarm, Watch

Line = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """The files of a run: `run` is its Run as JSON, `starts` when and where it was started (again).

    `log`, `readings` and `online` are the lines of metrics.jsonl with the loss, the rank meters and the online probes;
    `results` is what `jepakit probe` found, empty before.
    """

    folder: Path
    run: Line
    starts: tuple[Line, ...]
    log: tuple[Line, ...]
    readings: tuple[Line, ...]
    online: tuple[Line, ...]
    broken: tuple[Line, ...]
    results: tuple[Result, ...]

    @property
    def steps(self) -> int:
        """The steps that were planned."""
        return self.run["steps"]

    @property
    def done(self) -> int:
        """The last step that was logged."""
        return max((line["step"] for line in (*self.log, *self.readings)), default=0)

    @property
    def watch(self) -> Watch:
        """When the alarm rings."""
        return Watch.from_json(self.run["watch"])

    @property
    def optimizer(self) -> AdamW:
        """The rates."""
        return AdamW.from_json(self.run["optimizer"])

    @property
    def alarm(self) -> str | None:
        """What the alarm said when it rang, or None."""
        return next((line["alarm"] for line in self.readings if "alarm" in line), None)

    @property
    def sign(self) -> tuple[str, str] | None:
        """What has collapsed by the last reading, and how that is seen; None where nothing has."""
        heard = Alarm()
        for line in self.readings:
            heard.remember(line["watch"])
        return next(heard.signs(self.watch, self.readings[-1]["watch"]), None) if self.readings else None

    @property
    def armed_from(self) -> float:
        """The step from which the alarm listens."""
        share = self.optimizer.warmup if self.watch.armed is None else self.watch.armed
        return share * self.steps

    def limits(self) -> list[float]:
        """The effective rank below which the alarm counts, at each reading: it follows the highest rank so far."""
        watch, highest, found = self.watch, 0.0, []
        for line in self.readings:
            highest = max(highest, line["watch"]["rank_me"])
            found.append(max(watch.share * highest, watch.floor))
        return found

    @property
    def flop_of_a_step(self) -> float | None:
        """Floating-point operations of a step on average, where the method reports them."""
        known = [line["metrics"]["gflops"] for line in self.log if "gflops" in line["metrics"]]
        return 1e9 * sum(known) / len(known) if known else None

    @property
    def model(self) -> str:
        """What the model is called: the title of a class of ours, or the name of a stranger's."""
        module, _, name = self.run["model"]["class"].rpartition(".")
        if module.split(".")[0] != "jepakit":
            return name
        return vars(getattr(importlib.import_module(module), name)).get("title", name)

    @property
    def recipe(self) -> str | None:
        """The recipe that the first command named, where it was a command."""
        words = self.starts[0]["command"].split() if self.starts else []
        named = words[:2] == ["jepakit", "train"] and len(words) > 2 and not words[2].startswith("-")
        return words[2] if named else None


def read_record(folder: Path) -> Record:
    """All that a run wrote down. Raises ValueError with one sentence if `folder` holds no run."""
    path = folder / "run.json"
    if not path.exists():
        raise ValueError(f"{folder} holds no run: there is no run.json in it; give the folder that --out named")
    try:
        told = json.loads(path.read_text())
        run, starts = told["run"], tuple(told["starts"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read as a run: {error}") from None
    lines = read_lines(folder / "metrics.jsonl")
    probes = folder / "probes.json"
    return Record(
        folder=folder,
        run=run,
        starts=starts,
        log=tuple(line for line in lines if "loss" in line),
        readings=tuple(line for line in lines if "watch" in line),
        online=tuple(line for line in lines if line.get("probe")),
        broken=tuple(read_lines(folder / "broken.jsonl")),
        results=tuple(result.read(probes)) if probes.exists() else (),
    )


def read_lines(path: Path) -> list[Line]:
    """The lines of a .jsonl file; the half line that a killed run may leave at its end is passed over."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found
