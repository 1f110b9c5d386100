"""Why a run may end before its last step: each reason is an exception whose text is the sentence for the user."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """A run that ends early. `code` is what the process should exit with."""

    code = 1


class Interrupted(Stopped):
    """Ctrl-C or SIGTERM: the step was finished and saved. The code is the shell's: 130 or 143."""

    def __init__(self, sentence: str, number: int) -> None:
        super().__init__(sentence)
        self.code = 128 + number


class Collapsed(Stopped):
    """The representation collapsed or a number is not finite: what was seen, where, and what to try."""


class CannotWrite(Stopped):
    """The disk is full or gone. Everything that was saved before is intact."""


class TooManyBroken(Stopped):
    """More samples than the run allows cannot be read."""


class Signals:
    """Remembers the last signal that asked the run to stop; 0 as long as there was none."""

    received = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """The handler: the first signal is remembered, the second one of a kind does what it always does."""
        self.received = number
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)


@contextmanager
def listening() -> Iterator[Signals]:
    """Catches SIGINT and SIGTERM while it is open. Outside of the main thread, where Python cannot, it does nothing."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.signal(number, signals.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
