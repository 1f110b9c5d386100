"""The training loop: the engine asks a Method for losses, and does everything around it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from jepakit.train import checkpoint, optimize, parallel
from jepakit.train.batches import Batches, sources
from jepakit.train.checkpoint import State
from jepakit.train.observe import Observer
from jepakit.train.parallel import Spread
from jepakit.train.run import Run
from jepakit.train.stops import Interrupted, listening
from jepakit.train.update import Update

Initialize = Callable[[Any], Mapping[str, str] | None]


def fit(run: Run, out: Path, resume: bool = False, initialize: Initialize | None = None) -> Any:
    """Trains `run.model` on `run.data` in the folder `out` and returns the Method.

    With `resume` it goes on from the newest whole checkpoint in `out`, as if it had never stopped: bit for bit with as
    many threads and processes on such a machine, else up to rounding.
    `initialize` fills a new method with foreign weights and may return their {"source", "license"}, which every
    checkpoint repeats. Raises ValueError for a run that cannot work, and a `stops.Stopped` whose text tells the user
    what happened and how to go on.
    """
    run.validate()
    with listening() as signals, parallel.start(run) as place, torch.random.fork_rng(devices=[]):
        require_folder(out, resume)
        place.wait()  # until every rank has looked, before the first one writes
        found = checkpoint.latest(out) if resume else None
        method, state = build_method(run, None if found else initialize, resuming=found is not None)
        read, spread = sources(run), Spread(method, run, place)
        optimizer = optimize.build(run.optimizer, method)
        if found is not None:
            state = checkpoint.restore(found, method, optimizer, place)
        update, saver = Update(run, spread, optimizer, state), Saver(run, out, spread, optimizer, state)
        with (
            Batches(read, run, place, state.done) as batches,
            Observer(run, out, spread, state, read[0].dataset) as observer,
        ):
            while state.done < run.steps:
                batch = batches.read()
                told = place.gather([batch.count, signals.received])
                saver.stop_if_asked(max(number for _, number in told))
                observer.note(batch, sum(count for count, _ in told))
                observer.report(update(batch, [count for count, _ in told]), batches.waited)
                observer.watch()
                observer.probe()
                saver.save_if_due()
            observer.conclude()
    return method


def require_folder(out: Path, resume: bool) -> None:
    """Raises ValueError if `out` holds a run that would be overwritten, or holds none to resume."""
    holds_run = (out / "run.json").exists()
    if resume and not holds_run:
        raise ValueError(f"{out} holds no run to resume: there is no run.json in it; leave --resume out to start one")
    if not resume and (holds_run or checkpoint.folders(out)):
        raise ValueError(
            f"{out} already holds a run; go on with: jepakit train --resume {out}, or choose another --out"
        )


def build_method(run: Run, initialize: Initialize | None, resuming: bool) -> tuple[nn.Module, State]:
    """The method as the seed makes it, or filled with foreign weights, whose origin the state keeps."""
    if initialize is None and run.start_from is not None and not resuming:
        raise ValueError(f"the run starts from {run.start_from}, which nobody has read: pass `initialize` to fit")
    torch.manual_seed(run.seed)
    method = run.model.build()
    origin = initialize(method) if initialize is not None else None
    return method, State(origin=dict(origin or {}))


class Saver:
    """Decides when a checkpoint is written."""

    def __init__(self, run: Run, out: Path, spread: Spread, optimizer: torch.optim.AdamW, state: State) -> None:
        self.run, self.out, self.spread, self.optimizer, self.state = run, out, spread, optimizer, state
        self.saved = state.done

    def save_if_due(self) -> None:
        """Writes a checkpoint every so many steps and at the last one."""
        if self.state.done % self.run.keep.every == 0 or self.state.done == self.run.steps:
            self.save()

    def save(self) -> None:
        """Writes a checkpoint and deletes what need not be kept. Raises CannotWrite; never saves a NaN."""
        place = self.spread.place
        checkpoint.require_finite_weights(self.spread.method, self.state.done, place)
        checkpoint.save(self.out, self.run, self.spread.method, self.optimizer, self.state, place)
        self.saved = self.state.done
        if place.first:
            checkpoint.prune(self.out, self.run.keep)

    def stop_if_asked(self, signal: int) -> None:
        """After Ctrl-C or SIGTERM on any rank: saves, and raises Interrupted on all of them."""
        if not signal:
            return
        if self.state.done > self.saved:
            self.save()
        raise Interrupted(
            f"stopped after step {self.state.done} of {self.run.steps}; go on with: jepakit train --resume {self.out}",
            signal,
        )
