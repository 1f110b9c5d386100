import pytest

from jepakit.train.screen import Screen


def test_off_a_terminal_there_are_a_few_plain_lines(capsys, monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 15.0, 16.0])
    monkeypatch.setattr("jepakit.train.screen.time.perf_counter", lambda: next(clock))
    with Screen(steps=40, done=0, silent=False) as screen:
        screen.show_rank(7.25)
        for done in (10, 20, 30, 40):
            screen.advance(done)
            screen.show(done, loss=1 / done, speed=100.4)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "step 10/40  loss 0.1000  rank 7.2  100 samples/s  0.1 min left",
        "step 30/40  loss 0.0333  rank 7.2  100 samples/s  0.1 min left",
        "step 40/40  loss 0.0250  rank 7.2  100 samples/s  0.0 min left",
    ]


def test_a_silent_screen_says_nothing(capsys):
    with Screen(steps=4, done=0, silent=True) as screen:
        screen.show(1, loss=1.0, speed=1.0)
        screen.say("a warning")
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_one_live_line(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Screen(steps=4, done=2, silent=False) as screen:
        assert screen.console.is_terminal
        screen.show_rank(7.25)
        screen.show(3, loss=0.5, speed=99.0)
        screen.advance(3)
        screen.say("[bold] is not markup")
    shown = capsys.readouterr().err
    for part in ("3/4", "loss 0.5000", "rank 7.2", "99 samples/s", "[bold] is not markup"):
        assert part in shown
    assert "min left" not in shown


@pytest.mark.parametrize("rank", [3.04, 3.0])
def test_rank_has_one_digit(rank):
    screen = Screen(steps=4, done=0, silent=True)
    screen.show_rank(rank)
    assert screen.rank == "3.0"
