import os
import signal
import threading

import pytest

from jepakit.train.stops import Interrupted, Stopped, listening


def test_a_signal_is_noted_and_the_handler_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with listening() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_second_interrupt_does_what_it_always_does():
    with listening() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_leave_signals_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def look():
        with listening() as signals:
            seen.append((signals.received, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(0, before)]


def test_exit_codes_are_those_of_a_shell():
    assert Stopped("x").code == 1
    assert Interrupted("x", signal.SIGINT).code == 130
    assert Interrupted("x", signal.SIGTERM).code == 143
