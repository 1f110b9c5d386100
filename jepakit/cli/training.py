"""Verbs about recipes and runs: list, show, train."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from jepakit.cli.words import Words, long_names, parse, split_name
from jepakit.train.log import read_run
from jepakit.train.run import Run


def list_recipes(words: Words) -> None:
    """What there is: recipes and packaged data."""
    from jepakit.recipes.listing import describe

    parse(lambda: None, words, "list", list_recipes)
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
        out, trusted = parse(_resume, words, "train", train)
        begun = read_run(out, trusted)
        from jepakit.train.checkpoint import latest

        newest = latest(out)
        if newest is not None and newest.name == f"step-{begun.steps:08d}":
            print(f"{out} is complete: all of its {begun.steps:,} steps were made before, and there is nothing to do")
            return

        # Asked for only if the run was killed before its first checkpoint.
        fit(begun, out, resume=True, initialize=_initializer(begun))
        return
    name, rest = split_name(words, "train", train)
    from jepakit.recipes.find import find

    default = _Training(run=find(name)(), out=Path("runs") / name.rpartition(":")[2])
    asked = parse(_Training, long_names(rest), f"train {name}", find(name), default)
    from jepakit.pretrained import adopt_larger, adopt_networks, adopt_transform

    started, source = asked.run, asked.run.start_from
    if source is not None:
        started = replace(started, model=adopt_networks(started.model, source))
        if not any(word.startswith("--data.transform") for word in rest):
            started = replace(started, data=adopt_transform(started.data, source))
    started = replace(started, model=adopt_larger(started.model))
    _tell_notes(started)
    fit(started, asked.out, initialize=_initializer(started))


def _tell_notes(run: Run) -> None:
    """What a user should know of the data, told once by however many processes."""
    from jepakit.app.samples import notes_of

    if os.environ.get("RANK", "0") == "0":
        for note in notes_of(run.data):
            print(note, file=sys.stderr)


def _initializer(run: Run) -> Any:
    """What fills a new Method of this run with weights, where it has any to begin with."""
    from jepakit.pretrained import initializer

    return initializer(run.model, run.start_from, data=run.data, seed=run.seed)


def _resume(resume: Path, trusted: bool = False) -> tuple[Path, bool]:
    """What `--resume` needs.

    Args:
        resume: the folder of the run
        trusted: let its run.json name classes outside of jepakit, which are imported
    """
    return resume, trusted


def _recipe_with_overrides(words: Words, verb: str) -> Run:
    name, rest = split_name(words, verb, show)
    trusted, rest = "--trusted" in rest, long_names(word for word in rest if word != "--trusted")
    if (Path(name) / "run.json").exists():
        return parse(_Recipe, rest, f"{verb} {name}", show, _Recipe(run=read_run(Path(name), trusted))).run
    from jepakit.recipes.find import find

    return parse(_Recipe, rest, f"{verb} {name}", find(name), _Recipe(run=find(name)())).run
