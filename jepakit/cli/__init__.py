"""The command line: `jepakit VERB`. The only room that knows tyro."""

import sys
from collections.abc import Callable

from jepakit.cli.acting import collect, plan
from jepakit.cli.allocator import keep_freed_memory
from jepakit.cli.measuring import doctor, evaluate, probe, rank, report
from jepakit.cli.training import list_recipes, show, train
from jepakit.cli.using import convert, embed, export
from jepakit.cli.words import Words, parse
from jepakit.contracts import BrokenSample
from jepakit.train.stops import Stopped


def main() -> None:
    """Runs one verb and exits: 0, 1 for bad input (2 of `doctor`), or what a stopped run says (130 after Ctrl-C)."""
    keep_freed_memory()
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
    except KeyboardInterrupt:
        print(f"jepakit {verb}: stopped{'; the same command goes on' if verb in GOES_ON else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        found = sys.stdout = None  # the reader, such as `head`, has gone: there is nobody to tell
    except (ValueError, TypeError, OSError, ImportError, BrokenSample) as error:
        print(f"jepakit {verb}: {error}", file=sys.stderr)
        return 2 if verb == "doctor" else 1  # 1 is what a doctor says of a collapse
    return found if isinstance(found, int) else 0


VERBS: dict[str, Callable[[Words], object]] = {
    "list": list_recipes,
    "show": show,
    "train": train,
    "probe": lambda words: parse(probe, words, "probe", probe),
    "embed": lambda words: parse(embed, words, "embed", embed),
    "export": lambda words: parse(export, words, "export", export),
    "convert": lambda words: parse(convert, words, "convert", convert),
    "report": lambda words: parse(report, words, "report", report),
    "eval": evaluate,
    "doctor": lambda words: parse(doctor, words, "doctor", doctor),
    "rank": rank,
    "collect": lambda words: parse(collect, words, "collect", collect),
    "plan": lambda words: parse(plan, words, "plan", plan),
}
GOES_ON = ("collect",)
"""Verbs that, called again, go on where Ctrl-C stopped them. A training says itself how it goes on."""
_DESCRIBED = (list_recipes, show, train, probe, embed, export, convert, report, evaluate, doctor, rank, collect, plan)


def _overview() -> str:
    from jepakit import __version__

    lines = [f"  {verb:8} {_first_line(thing)}" for verb, thing in zip(VERBS, _DESCRIBED, strict=True)]
    return "\n".join([f"jepakit {__version__}: joint-embedding predictive architectures", "", *lines, "",
                      "jepakit VERB --help tells more; jepakit list shows the recipes"])  # fmt: skip


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]
