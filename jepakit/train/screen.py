"""What a person sees of a run: one live line on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

PLAIN_SECONDS = 10.0
"""Without a terminal, at most one line in so many seconds."""


class Screen:
    """Shows loss, effective rank, samples (called `unit`) a second and time left. A silent one shows nothing."""

    def __init__(self, steps: int, done: int, silent: bool) -> None:
        self.console = Console(file=sys.stderr, quiet=silent, highlight=False)
        self.steps, self.done, self.started = steps, done, time.perf_counter()
        self.loss, self.rank, self.speed, self.unit = "-", "-", "-", "samples"
        self.said = -PLAIN_SECONDS
        self.progress = Progress(
            SpinnerColumn(),
            MofNCompleteColumn(),
            BarColumn(None),
            TextColumn("loss {task.fields[loss]}  rank {task.fields[rank]}  {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=silent or not self.console.is_terminal,
        )
        self.task = self.progress.add_task("", total=steps, completed=done, loss="-", rank="-", speed="-")

    def __enter__(self) -> "Screen":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def advance(self, done: int) -> None:
        """A step is done."""
        self.progress.update(self.task, completed=done, loss=self.loss, rank=self.rank, speed=self.speed)

    def show(self, done: int, loss: float, speed: float) -> None:
        """New numbers; off a terminal they make a line, unless the last line is quite new."""
        self.loss, self.speed = f"{loss:.4f}", f"{speed:.0f} {self.unit}/s"
        now = time.perf_counter()
        if not self.console.is_terminal and (now - self.said >= PLAIN_SECONDS or done == self.steps):
            self.said = now
            left = (now - self.started) / max(done - self.done, 1) * (self.steps - done)
            self.console.print(
                f"step {done}/{self.steps}  loss {self.loss}  rank {self.rank}  {self.speed}  {left / 60:.1f} min left",
                soft_wrap=True,
            )

    def show_rank(self, rank: float) -> None:
        """The latest effective rank."""
        self.rank = f"{rank:.1f}"

    def say(self, sentence: str) -> None:
        """A sentence above the live line."""
        self.console.print(sentence, soft_wrap=True, markup=False)
