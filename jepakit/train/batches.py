"""Which samples make a step, and reading them ahead of time.

The samples of step i are a function of i alone: the data set's epochs stand one after the other in an endless row, of
which step i takes the next `batch`. Each stage of a run has a row of its own. A run is resumed, on any number of
processes, by naming the next step.
"""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from jepakit.contracts import BrokenSample, Dataset, Rows, misfits
from jepakit.train.parallel import Place
from jepakit.train.run import Run

READ_AHEAD = 4
"""Batches that each worker keeps ready."""
FETCHED_AHEAD = 2
"""Batches that a thread of the run fetches from the workers ahead: taking over a tensor costs a millisecond."""


@dataclass(frozen=True)
class Broken:
    """A sample that could not be read, and why."""

    index: int
    epoch: int
    name: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """The readable samples of this rank's rows, and the others."""

    samples: Mapping[str, Tensor]
    count: int
    broken: tuple[Broken, ...]

    def cut(self, parts: int, first: int, total: int) -> Iterator[tuple[Mapping[str, Tensor], Rows]]:
        """Micro-batches with their rows in the global batch, in which this rank's samples begin at `first`."""
        for part in range(parts):
            start, end = part * self.count // parts, (part + 1) * self.count // parts
            rows = Rows(first + start, end - start, total)
            yield {name: value[start:end] for name, value in self.samples.items()}, rows


@dataclass(frozen=True)
class Source:
    """What is read from step `begins` on."""

    begins: int
    dataset: Dataset


def sources(run: Run) -> list[Source]:
    """The data of each stage of a run; the first one is the run's own."""
    later = [Source(round(stage.begins * run.steps), stage.data.build()) for stage in run.stages]
    return [Source(0, run.data.build()), *later]


class Order:
    """The (source, index, epoch) of this rank's samples for each step from `first` on."""

    def __init__(self, read: Sequence[Source], run: Run, place: Place, first: int) -> None:
        self.sources, self.run, self.place, self.first = read, run, place, first
        self.known, self.permutation = (-1, -1), list[int]()

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        rank, ranks, batch = self.place.rank, self.place.ranks, self.run.batch
        start, end = rank * batch // ranks, (rank + 1) * batch // ranks
        for step in range(self.first, self.run.steps):
            source = max(number for number, each in enumerate(self.sources) if each.begins <= step)
            begun = step - self.sources[source].begins
            yield [self.sample(source, begun * batch + row) for row in range(start, end)]

    def sample(self, source: int, position: int) -> tuple[int, int, int]:
        """The sample at a position of the endless row of a source's epochs."""
        dataset = self.sources[source].dataset
        epoch, place = divmod(position, len(dataset))
        if (source, epoch) != self.known:
            self.known, self.permutation = (source, epoch), dataset.order(epoch, self.run.seed).tolist()
        return source, self.permutation[place], epoch


class Reader:
    """The data as workers see them: whole batches, in which broken samples are named instead of raised.

    A batch is of one shape. A sample of another one cannot be learnt from together with the rest, so it is broken,
    too: it is named, and nothing takes its place.
    """

    def __init__(self, read: Sequence[Source], seed: int) -> None:
        self.sources, self.seed = read, seed

    def __len__(self) -> int:
        return sum(len(source.dataset) for source in self.sources)

    def __getitem__(self, which: tuple[int, int, int]) -> Mapping[str, Tensor] | Broken:
        source, index, epoch = which
        try:
            return self.sources[source].dataset.get(index, epoch, self.seed)
        except BrokenSample as problem:
            return self.name_broken(which, str(problem))

    def __getitems__(self, batch: Sequence[tuple[int, int, int]]) -> list[Mapping[str, Tensor] | Broken]:
        """The samples of a batch in their order; where shapes differ, those of the most frequent one are kept."""
        read = [self[which] for which in batch]
        good = {row: item for row, item in enumerate(read) if not isinstance(item, Broken)}
        for row, reason in zip(good, misfits(list(good.values())), strict=True):
            if reason is not None:
                read[row] = self.name_broken(batch[row], reason)
        return read

    def name_broken(self, which: tuple[int, int, int], reason: str) -> Broken:
        """What is told of a sample instead of giving it."""
        source, index, epoch = which
        return Broken(index, epoch, self.sources[source].dataset.name(index), reason)


def collate(items: Sequence[Mapping[str, Tensor] | Broken]) -> tuple[dict[str, Tensor], int, tuple[Broken, ...]]:
    """The readable samples stacked, their count, and the broken ones."""
    broken = tuple(item for item in items if isinstance(item, Broken))
    good = [item for item in items if not isinstance(item, Broken)]
    stacked = {name: torch.stack([item[name] for item in good]) for name in good[0]} if good else {}
    return stacked, len(good), broken


def ignore_signals(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; only the one that can save shall answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def choose_workers(asked: int | None) -> int:
    """As asked, or one for every two cores, between 1 and 8: enough to keep ahead, few enough to leave it the cores."""
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = int(os.environ["LOCAL_WORLD_SIZE"]) if "LOCAL_WORLD_SIZE" in os.environ else 1
    return max(1, min(8, cores // (2 * processes)))


def start_method() -> str | None:
    """Workers are forked on Linux: they share the data set's memory, and notice when a killed run is gone.

    A fork server, the default of Python 3.14, would outlive the run, and its workers with it.
    """
    return "fork" if sys.platform == "linux" else None


class Batches:
    """The batches of this rank from step `first` on. `waited` is how many seconds the run has waited for them.

    The first one is read on entry, for it waits for the workers to start, which is not the workers' being slow.
    """

    def __init__(self, read: Sequence[Source], run: Run, place: Place, first: int) -> None:
        if any(len(source.dataset) == 0 for source in read):
            raise ValueError("there are no samples to train on: the data set is empty")
        workers = choose_workers(run.workers)
        self.waited = 0.0
        self.loader: DataLoader[Any] = DataLoader(
            Reader(read, run.seed),  # pyright: ignore[reportArgumentType]
            batch_sampler=Order(read, run, place, first),  # pyright: ignore[reportArgumentType]
            num_workers=workers,
            collate_fn=collate,
            pin_memory=place.device.type == "cuda",
            prefetch_factor=READ_AHEAD if workers else None,
            worker_init_fn=ignore_signals,
            multiprocessing_context=start_method() if workers else None,
        )
        self.thread = ThreadPoolExecutor(1)
        self.ahead: deque[Future[Any]] = deque()
        self.rest: Iterator[Any] = iter(())

    def __enter__(self) -> "Batches":
        self.rest = iter(self.loader)
        self.ahead.extend(self.thread.submit(next, self.rest, None) for _ in range(FETCHED_AHEAD))
        wait(list(self.ahead)[:1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thread.shutdown(cancel_futures=True)
        self.ahead.clear()
        self.rest = iter(())  # nobody holds the workers any more, so they end

    def read(self) -> Batch:
        """The next batch."""
        start = time.perf_counter()
        samples, count, broken = self.ahead.popleft().result()
        self.waited += time.perf_counter() - start
        self.ahead.append(self.thread.submit(next, self.rest, None))
        return Batch(samples, count, broken)
