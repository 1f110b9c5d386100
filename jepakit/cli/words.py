"""Words of a command line, read by tyro."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tyro

Words = Sequence[str]
Positional = tyro.conf.Positional


def parse(what: Callable[..., Any], words: Words, verb: str, described: object, default: Any = tyro.MISSING) -> Any:
    """What `words` say, as `what` takes it; the help of `verb` is the docstring of what is `described`."""
    text = (described.__doc__ or "").split("Args:")[0]
    return tyro.cli(
        what,
        args=words,
        prog=f"jepakit {verb}",
        description=text,
        default=default,
        config=(tyro.conf.AvoidSubcommands,),
    )


def split_name(words: Words, verb: str, described: object) -> tuple[str, Words]:
    """The name that a verb begins with, and the rest; help where there is none."""
    if not words or words[0].startswith("-"):
        parse(_named, words, verb, described)
    return words[0], words[1:]


def long_names(words: Iterable[str]) -> Words:
    """`--watch warn` and `--watch=warn` are short for `--watch.action warn`."""
    return [re.sub(r"^--watch(?==|$)", "--watch.action", word) for word in words]


def _named(name: Positional[str]) -> str:
    return name
