"""The command line: `jepakit VERB`. The only file that knows tyro."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jepakit.contracts import BrokenSample
from jepakit.probes.names import STANDARD, ProbeName
from jepakit.train.log import read_run
from jepakit.train.run import Run
from jepakit.train.stops import Stopped

Words = Sequence[str]
Positional = tyro.conf.Positional


def main() -> None:
    """Runs one verb and exits: 0, 1 for bad input (2 of `doctor`), or what a stopped run says (130 after Ctrl-C)."""
    sys.exit(run(sys.argv[1:]))


def run(words: Words) -> int:
    """Runs `words` and returns the exit code. Bad input gives one sentence on stderr."""
    if not words or words[0] in ("-h", "--help"):
        print(_overview())
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        print(f"jepakit has no verb {verb!r}; there are {', '.join(VERBS)}", file=sys.stderr)
        return 2
    if "--trusted" in rest:
        from jepakit.recipes.find import look_here

        look_here()
    try:
        found = VERBS[verb](rest)
    except Stopped as stopped:
        print(f"jepakit {verb}: {stopped}", file=sys.stderr)
        return stopped.code
    except BrokenPipeError:
        found = sys.stdout = None  # the reader, such as `head`, has gone: there is nobody to tell
    except (ValueError, TypeError, OSError, ImportError, BrokenSample) as error:
        print(f"jepakit {verb}: {error}", file=sys.stderr)
        return 2 if verb == "doctor" else 1  # 1 is what a doctor says of a collapse
    return found if isinstance(found, int) else 0


def list_recipes(words: Words) -> None:
    """What there is: recipes and packaged data."""
    from jepakit.recipes.listing import describe

    _parse(lambda: None, words, "list", list_recipes)
    print(describe())


def show(words: Words) -> None:
    """A recipe or run in full: parameters per part, FLOP, schedules, what the alarm listens to, and its JSON.

    jepakit show images:ijepa_tiny --model.depth 6
    jepakit show runs/x
    jepakit show runs/mine --trusted     a run whose classes are outside of jepakit, which are imported
    """
    from jepakit.app.show import describe

    print(describe(_recipe_with_overrides(words, "show")))


@dataclass(frozen=True)
class _Recipe:
    run: Annotated[Run, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class _Training:
    run: Annotated[Run, tyro.conf.arg(name="")]
    out: Path
    """Folder for checkpoints, metrics.jsonl and run.json."""


def train(words: Words) -> None:
    """Train a recipe, or go on with a run that was stopped.

    jepakit train images:ijepa_tiny --data.root my/photos --out runs/x
    jepakit train images:ijepa_tiny --start-from WEIGHTS --out runs/y
    jepakit train --resume runs/x
    jepakit train images:ijepa_tiny --watch warn     go on when the alarm for collapse rings; stop or off
    jepakit train images:ijepa_tiny --help     all that can be overridden
    """
    from jepakit.train.fit import fit

    if "--resume" in words:
        out, trusted = _parse(_resume, words, "train", train)
        begun = read_run(out, trusted)
        from jepakit.pretrained import initializer
        from jepakit.train.checkpoint import latest

        newest = latest(out)
        if newest is not None and newest.name == f"step-{begun.steps:08d}":
            print(f"{out} is complete: all of its {begun.steps:,} steps were made before, and there is nothing to do")
            return

        # Asked for only if the run was killed before its first checkpoint.
        fit(begun, out, resume=True, initialize=initializer(begun.model, begun.start_from))
        return
    name, rest = _recipe_name(words, "train", train)
    from jepakit.recipes.find import find

    default = _Training(run=find(name)(), out=Path("runs") / name.rpartition(":")[2])
    asked = _parse(_Training, _long_names(rest), f"train {name}", find(name), default)
    from jepakit.pretrained import adopt_larger, adopt_networks, adopt_transform, initializer

    started, source = asked.run, asked.run.start_from
    if source is not None:
        started = replace(started, model=adopt_networks(started.model, source))
        if not any(word.startswith("--data.transform") for word in rest):
            started = replace(started, data=adopt_transform(started.data, source))
    started = replace(started, model=adopt_larger(started.model))
    fit(started, asked.out, initialize=initializer(started.model, source))


def _resume(resume: Path, trusted: bool = False) -> tuple[Path, bool]:
    """What `--resume` needs.

    Args:
        resume: the folder of the run
        trusted: let its run.json name classes outside of jepakit, which are imported
    """
    return resume, trusted


def probe(
    source: Positional[str],
    probes: tuple[ProbeName, ...] = STANDARD,
    data_root: Annotated[str | None, tyro.conf.arg(name="data.root")] = None,
    segments: int = 1,
    views: int = 1,
    seed: int = 0,
    out: Path | None = None,
    device: str = "cpu",
    trusted: bool = False,
) -> None:
    """What a frozen backbone has learnt, beside random init and raw pixels.

    jepakit probe runs/x
    jepakit probe hf:facebook/ijepa_vith14_1k --data.root my/labelled/photos --out probes.json --probes knn attentive

    Args:
        source: a run, or anything that `jepakit.load` takes
        probes: what to measure
        data_root: labelled pictures; those of the run if not given
        segments: of videos: so many clips of each are read together
        views: of videos: so many crops of each are tested, and their answers averaged
        seed: draws of labels, order of samples and the random init
        out: the results as JSON; RUN/probes.json if not given
        device: cpu, cuda or cuda:1
        trusted: let the config name classes outside of jepakit, which are imported
    """
    from jepakit.app.measure import measure
    from jepakit.probes.suite import table

    results = measure(source, probes, data_root, seed, out, device, trusted, segments, views)
    print(table(results))


def embed(
    source: Positional[str],
    samples: Positional[str],
    out: Path,
    windows: bool = False,
    stride: float | None = None,
    frame_rate: float | None = None,
    layers: tuple[int, ...] | None = None,
    batch: int | None = None,
    device: str = "cpu",
    trusted: bool = False,
) -> None:
    """Features of pictures or videos as a table: one row per file, or per window of a long video.

    jepakit embed runs/x my/photos --out features.parquet
    jepakit embed runs/y movie.mp4 --out features.parquet --stride 1
    jepakit embed runs/y my/videos --out features.parquet --windows

    Args:
        source: a run, or anything that `jepakit.load` takes
        samples: a folder, file or packaged:NAME, as for --data.root
        out: the table to write: .parquet, or .csv with one column per feature
        windows: a row for each window of each video, with its start and end in seconds; so it is for a single video
        stride: seconds from window to window; end to end if not given
        frame_rate: frames a second of folders of frames and arrays, which have no clock, or of files with a wrong one
        layers: levels to put side by side, such as -4 -3 -2 -1; the last one if not given
        batch: what goes through the backbone at once; 256 pictures or 8 clips if not given
        device: cpu, cuda or cuda:1
        trusted: let the config name classes outside of jepakit, which are imported
    """
    from jepakit.app import embed as table

    wanted = table.Wanted(samples, layers, batch, windows, stride, frame_rate)
    features, notes = table.embed(source, wanted, out, device, trusted)
    print(f"{len(features)} rows of {features.x.shape[1]} features: {out}")
    for note in notes:
        print(note, file=sys.stderr)


def export(
    source: Positional[str],
    out: Path,
    format: Literal["safetensors", "hf", "onnx"] = "safetensors",
    heads: int | None = None,
    trusted: bool = False,
) -> None:
    """The backbone of a run as files that others load.

    jepakit export runs/x --out exported --format hf

    Args:
        source: a run, or anything that `jepakit.load` takes
        out: the folder to write
        format: our own folder, Hugging Face transformers, or ONNX
        heads: attention heads, for a bare file of a width that was never published
        trusted: let the config name classes outside of jepakit, which are imported
    """
    from jepakit import pretrained

    print(pretrained.export(source, out, format, trusted=trusted, heads=heads))


def convert(
    source: Positional[str],
    out: Path,
    entry: Literal["target_encoder", "encoder", "all"] = "target_encoder",
    heads: int | None = None,
) -> None:
    """Official or Hugging Face weights into our own folder.

    jepakit convert IN1K-vit.h.14-300e.pth.tar --out ijepa-h14

    Args:
        source: an official .pth.tar or .pt (a probe, too), a Hugging Face folder, or hf:org/name
        out: the folder to write
        entry: which of the two encoders of an official file; "all" keeps both and the predictor
        heads: attention heads, for a bare file of a width that was never published
    """
    from jepakit import pretrained

    print(pretrained.convert(source, out, entry, heads=heads))


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


def evaluate(words: Words) -> None:
    """Run a named benchmark: an arena trains JEPAs and rivals with equal operations and probes all of them alike.

    jepakit eval arena --tflop 20 --out runs/arena
    jepakit eval arena_color --data.root my/pictures --seeds 0 --contestants ijepa mae --out runs/mine
    """
    from jepakit.app.arena import hold
    from jepakit.evals.arena import ARENAS, Arena

    name, rest = _recipe_name(words, "eval", evaluate)
    if name not in ARENAS:
        raise ValueError(f"there is no benchmark {name!r}; there are {', '.join(ARENAS)}")

    @dataclass(frozen=True)
    class Contest:
        arena: Annotated[Arena, tyro.conf.arg(name="")]
        out: Path
        """Folder for rows, runs, table.json and arena.html; what is there already is not run again."""
        target: float | None = None
        """The kNN accuracy on the validation part whose price is asked for, in (0, 1]; name it before you look."""

    default = Contest(ARENAS[name], Path("runs") / name)
    asked = _parse(Contest, rest, f"eval {name}", evaluate, default)
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

    named = _parse(Named, words, "rank", rank, Named(()))
    found = ranking.rank(named.runs, named.asked, named.data_root, named.out, named.device, named.trusted)
    print(ranking_table.tell(found))


VERBS: dict[str, Callable[[Words], object]] = {
    "list": list_recipes,
    "show": show,
    "train": train,
    "probe": lambda words: _parse(probe, words, "probe", probe),
    "embed": lambda words: _parse(embed, words, "embed", embed),
    "export": lambda words: _parse(export, words, "export", export),
    "convert": lambda words: _parse(convert, words, "convert", convert),
    "report": lambda words: _parse(report, words, "report", report),
    "eval": evaluate,
    "doctor": lambda words: _parse(doctor, words, "doctor", doctor),
    "rank": rank,
}
_DESCRIBED = (list_recipes, show, train, probe, embed, export, convert, report, evaluate, doctor, rank)


def _parse(what: Callable[..., Any], words: Words, verb: str, described: object, default: Any = tyro.MISSING) -> Any:
    text = (described.__doc__ or "").split("Args:")[0]
    return tyro.cli(
        what,
        args=words,
        prog=f"jepakit {verb}",
        description=text,
        default=default,
        config=(tyro.conf.AvoidSubcommands,),
    )


def _recipe_with_overrides(words: Words, verb: str) -> Run:
    name, rest = _recipe_name(words, verb, show)
    trusted, rest = "--trusted" in rest, _long_names(word for word in rest if word != "--trusted")
    if (Path(name) / "run.json").exists():
        return _parse(_Recipe, rest, f"{verb} {name}", show, _Recipe(run=read_run(Path(name), trusted))).run
    from jepakit.recipes.find import find

    return _parse(_Recipe, rest, f"{verb} {name}", find(name), _Recipe(run=find(name)())).run


def _recipe_name(words: Words, verb: str, described: object) -> tuple[str, Words]:
    if not words or words[0].startswith("-"):
        _parse(_named, words, verb, described)
    return words[0], words[1:]


def _long_names(words: Iterable[str]) -> Words:
    """`--watch warn` and `--watch=warn` are short for `--watch.action warn`."""
    return [re.sub(r"^--watch(?==|$)", "--watch.action", word) for word in words]


def _named(recipe: Positional[str]) -> str:
    return recipe


def _overview() -> str:
    from jepakit import __version__

    lines = [f"  {verb:8} {_first_line(thing)}" for verb, thing in zip(VERBS, _DESCRIBED, strict=True)]
    return "\n".join([f"jepakit {__version__}: joint-embedding predictive architectures", "", *lines, "",
                      "jepakit VERB --help tells more; jepakit list shows the recipes"])  # fmt: skip


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]
