"""What is seen of a run while it goes on: log lines, meters, online probes, broken samples."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any

import torch.distributed as dist

from jepakit.contracts import Dataset
from jepakit.train.batches import Batch
from jepakit.train.checkpoint import State
from jepakit.train.log import Journal
from jepakit.train.parallel import Spread
from jepakit.train.run import Run
from jepakit.train.screen import Screen
from jepakit.train.stops import Collapsed, TooManyBroken
from jepakit.train.update import Outcome, sum_over_ranks
from jepakit.train.watch import Watcher, require_finite

BROKEN_LEAST = 1000
"""The share of broken samples is judged as if at least so many (or the whole of a smaller set) had been read."""

NAMED = 3
"""So many broken samples are named at the end; broken.jsonl names all."""

UNITS = {4: "images", 5: "clips"}
"""What a sample is called, by the axes of a batch: [b c h w] or [b c t h w]."""


class Observer:
    """Looks at a run after each step. All ranks look, for some meters need all of them; the first one speaks."""

    def __init__(self, run: Run, out: Path, spread: Spread, state: State, dataset: Dataset) -> None:
        self.run, self.spread, self.state = run, spread, state
        self.journal = Journal(out, run, spread.place, state.done)
        self.screen = Screen(run.steps, state.done, silent=not spread.place.first)
        self.watcher = Watcher(run.watch, dataset)
        self.readable = min(len(dataset), BROKEN_LEAST)
        self.samples, self.since, self.cpu_since, self.waited = 0, time.perf_counter(), time.process_time(), 0.0

    def __enter__(self) -> "Observer":
        self.screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.screen.__exit__(kind, error, trace)
        self.journal.__exit__(kind, error, trace)

    def note(self, batch: Batch, total: int) -> None:
        """Notes what samples are, and which no rank could read. Raises TooManyBroken above the share allowed."""
        if "x" in batch.samples and batch.samples["x"].ndim in UNITS:
            self.screen.unit = UNITS[batch.samples["x"].ndim]
        place, run, state = self.spread.place, self.run, self.state
        if total == run.batch:
            return
        parts: list[Any] = [batch.broken]
        if place.ranks > 1:
            parts = [None] * place.ranks
            dist.all_gather_object(parts, batch.broken)
        broken = [sample for part in parts for sample in part]
        self.journal.name_broken(state.done + 1, broken)
        state.broken += len(broken)
        drawn = (state.done + 1) * run.batch
        if state.broken > run.max_broken_share * max(drawn, self.readable):
            last = broken[-1]
            raise TooManyBroken(
                f"{state.broken} of {drawn} samples could not be read, more than max_broken_share="
                f"{run.max_broken_share:g} allows; the last one is {last.name}: {last.reason}. broken.jsonl names all; "
                f"repair or remove them, or allow more with --max-broken-share"
            )

    def report(self, outcome: Outcome | None, waited: float) -> None:
        """Writes the line of this step, if it is one that is logged. Raises Collapsed for a loss that is no number."""
        done, run = self.state.done, self.run
        self.samples += outcome.samples if outcome else 0
        self.screen.advance(done)
        if outcome is None or not (done % run.log_every == 0 or done in (1, run.steps)):
            return
        terms, metrics = sum_over_ranks(outcome, self.spread)
        require_finite(terms, done)
        elapsed = time.perf_counter() - self.since
        self.state.seconds += elapsed
        self.state.cpu_seconds += time.process_time() - self.cpu_since
        speed = self.samples / elapsed
        self.journal.write(
            {
                "step": done,
                "progress": (done - 1) / max(run.steps - 1, 1),
                "loss": sum(terms.values()),
                "terms": terms,
                "metrics": metrics,
                "rate": outcome.rate,
                "decay": outcome.decay,
                "images_per_second": speed,
                "wait_share": (waited - self.waited) / elapsed,
                "seconds": self.state.seconds,
                "cpu_seconds": self.state.cpu_seconds,
                "broken": self.state.broken,
                "skipped": self.state.skipped,
            }
        )
        self.samples, self.since, self.cpu_since, self.waited = 0, time.perf_counter(), time.process_time(), waited
        self.screen.show(done, sum(terms.values()), speed)

    def conclude(self) -> None:
        """Says what was left out of the run, where it lies, and how to look at it."""
        out, drawn = self.journal.out, self.run.steps * self.run.batch
        if self.state.broken and self.spread.place.first:
            names = self.journal.names_of_broken()
            first = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
            self.screen.say(
                f"{self.state.broken:,} of {drawn:,} samples were left out, for {len(names):,} in the data could not "
                f"be read: {first}; {out / 'broken.jsonl'} says why"
            )
        self.screen.say(f"the run lies in {out}; look at it with: jepakit report {out}")

    def watch(self) -> None:
        """Reads the meters when it is time. Raises Collapsed if the run stops at a collapse."""
        done, run = self.state.done, self.run
        if run.watch.action == "off" or not (done % run.watch.every == 0 or done in (1, run.steps)):
            return
        start = time.perf_counter()
        with self.spread.whole():
            reading = self.watcher.read(self.spread.rule, self.spread.place.device, run.batch)
        armed = run.optimizer.warmup if run.watch.armed is None else run.watch.armed
        sentence = self.state.alarm.hear(run.watch, reading, done, armed=done >= armed * run.steps)
        line = {"step": done, "watch": reading, "watch_seconds": time.perf_counter() - start}
        self.journal.write(line if sentence is None else {**line, "alarm": sentence})
        self.screen.show_rank(reading["rank_me"])
        if sentence is not None and run.watch.action == "stop":
            raise Collapsed(sentence)
        if sentence is not None:
            self.screen.say(f"Warning: {sentence}")

    def probe(self) -> None:
        """Runs the online probes whose time it is."""
        done, run = self.state.done, self.run
        for probe in run.probes:
            every: int = probe.every  # pyright: ignore[reportAttributeAccessIssue]
            if done % every and done != run.steps:
                continue
            with self.spread.whole():
                online = probe.online  # pyright: ignore[reportAttributeAccessIssue]
                found = online(self.spread.rule.kept, run.data, self.spread.place.device)
            self.journal.write({"step": done, "probe": found})
