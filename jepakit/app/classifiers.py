"""The classifier that an attentive probe ends with, kept as a file, and how far its training is."""

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress

from jepakit import pretrained
from jepakit.probes.attentive import Attentive
from jepakit.probes.result import Result
from jepakit.probes.subject import Subject

Part = TypeVar("Part")

PLAIN_SECONDS = 10.0
"""Without a terminal, at most one line in so many seconds."""


@dataclass(frozen=True)
class KeepingProbe:
    """An attentive probe that says how far it is, and writes its classifier of the subject called `of` to `out`."""

    probe: Attentive
    of: str
    out: Path

    @property
    def name(self) -> str:
        """What stands in the table."""
        return self.probe.name

    def measure(self, subject: Subject, seed: int) -> Result:
        """What the probe measures."""
        classifier, result = self.probe.fit(subject, seed, Told(f"{self.name}, {subject.name}"))
        if subject.name == self.of:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            pretrained.save_classifier(classifier, self.out)
        return result

    def to_json(self) -> dict[str, Any]:
        """The settings of the probe."""
        return self.probe.to_json()


@dataclass(frozen=True)
class Told:
    """Shows on stderr how much of a long piece of work is done: a bar on a terminal, plain lines elsewhere."""

    title: str

    def __call__(self, work: str, parts: Iterable[Part], count: int) -> Iterator[Part]:
        """The parts, one by one; `count` is how many there will be."""
        console = Console(file=sys.stderr, highlight=False)
        said = time.perf_counter()
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            for done, part in enumerate(bar.track(parts, total=count, description=f"{self.title}: {work}"), start=1):
                yield part
                if not console.is_terminal and time.perf_counter() - said >= PLAIN_SECONDS:
                    said = time.perf_counter()
                    console.print(f"{self.title}: {work} {done:,}/{count:,}", soft_wrap=True, markup=False)
