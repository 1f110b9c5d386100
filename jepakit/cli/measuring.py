"""Verbs that ask what was learnt: probe, eval, doctor, rank, report."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jepakit.cli.words import Flat, Positional, Taken, Words, parse, split_name
from jepakit.probes.names import Asked


def probe(
    source: Positional[str],
    asked: Annotated[Asked, tyro.conf.arg(name="")] = Asked(),  # noqa: B008  (it is frozen)
    data_root: Annotated[str | None, tyro.conf.arg(name="data.root")] = None,
    seed: int = 0,
    out: Path | None = None,
    taken: Flat = Taken(),  # noqa: B008
    device: str = "cpu",
    trusted: bool = False,
) -> None:
    """What a frozen backbone has learnt, beside random init and raw pixels.

    jepakit probe runs/x
    jepakit probe hf:facebook/ijepa_vith14_1k --data.root my/labelled/photos --out probes.json --probes knn attentive
    jepakit probe runs/y --probes attentive --samples fixed --steps 300     a classifier, on a CPU

    Args:
        source: a run, or anything that `jepakit.load` takes
        data_root: labelled samples; those of the run if not given
        seed: draws of labels, order of samples and the random init
        out: the results as JSON; RUN/probes.json if not given
        device: cpu, cuda or cuda:1
        trusted: let the config name classes outside of jepakit, which are imported
    """
    from jepakit.app.measure import measure
    from jepakit.probes.suite import table

    measured = measure(source, asked, data_root, seed, out, device, trusted, taken.choice)
    print(table(measured.results))
    for path in measured.classifiers:
        print(f"classifier: {path}")
    for note in measured.notes:
        print(note, file=sys.stderr)


def evaluate(words: Words) -> None:
    """Run a named benchmark: an arena trains JEPAs and rivals with equal operations and probes all of them alike.

    jepakit eval arena --tflop 20 --out runs/arena
    jepakit eval arena_color --data.root my/pictures --seeds 0 --contestants ijepa mae --out runs/mine
    """
    from jepakit.app.arena import hold
    from jepakit.evals.arena import ARENAS, Arena

    name, rest = split_name(words, "eval", evaluate)
    if name not in ARENAS:
        raise ValueError(f"there is no benchmark {name!r}; there are {', '.join(ARENAS)}")

    @dataclass(frozen=True)
    class Contest:
        arena: Annotated[Arena, tyro.conf.arg(name="")]
        out: Path
        """Folder for rows, runs, table.json and arena.html; what is there already is not run again."""
        target: float | None = None
        """The share of the validation part, in (0, 1], that a linear layer on a few labels has to tell right: the table
        then says what each took until there. Name it before you look."""

    default = Contest(ARENAS[name], Path("runs") / name)
    asked = parse(Contest, rest, f"eval {name}", evaluate, default)
    print(hold(asked.arena, asked.out, asked.target))
    print(f"page: {asked.out / 'arena.html'}")


def doctor(run: Positional[Path], checkpoint: int | None = None, device: str = "cpu", trusted: bool = False) -> int:
    """Which kind of collapse is seen in a run, and what to try; exits with 0 if healthy, 1 if not, 2 for bad input.

    jepakit doctor runs/x --checkpoint 500

    Args:
        run: the folder of the run
        checkpoint: the step of the checkpoint to look at; the newest one if not given
        device: cpu, cuda or cuda:1
        trusted: let its run.json name classes outside of jepakit, which are imported
    """
    from jepakit.app.doctor import visit

    told, code = visit(run, checkpoint, device, trusted)
    print(told)
    return code


def rank(words: Words) -> None:
    """Which of several runs to take, told without labels: loss terms, RankMe, LiDAR, alpha-ReQ on the same samples.

    jepakit rank runs/* --by loss --probe linear     with labels: does the loss order runs as a probe does?
    jepakit rank runs/x --checkpoints
    """
    from jepakit.app import ranking, ranking_table

    @dataclass(frozen=True)
    class Named:
        runs: Positional[tuple[Path, ...]]
        """The folders of runs."""
        asked: Annotated[ranking.Asked, tyro.conf.arg(name="")] = ranking.Asked()  # noqa: RUF009  (it is frozen)
        data_root: Annotated[str | None, tyro.conf.arg(name="data.root")] = None
        """Other samples than those of the first run."""
        out: Path | None = None
        """The ranking as JSON; ranking.json beside the first run if not given."""
        device: str = "cpu"
        trusted: bool = False

    named = parse(Named, words, "rank", rank, Named(()))
    found = ranking.rank(named.runs, named.asked, named.data_root, named.out, named.device, named.trusted)
    print(ranking_table.tell(found))


def report(run: Positional[Path], out: Path | None = None, trusted: bool = False) -> None:
    """One self-contained HTML file about a run.

    jepakit report runs/x

    Args:
        run: the folder of the run
        out: the file to write; RUN/report.html if not given
        trusted: let its run.json name classes outside of jepakit, which are imported
    """
    from jepakit.app.report.page import write_report

    print(f"report: {write_report(run, out or run / 'report.html', trusted)}")
