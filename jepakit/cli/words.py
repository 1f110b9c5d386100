"""Words of a command line, read by tyro."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

Words = Sequence[str]
Positional = tyro.conf.Positional


@dataclass(frozen=True)
class Taken:
    """What is taken of a source: `pretrained.Choice`, as words."""

    entry: Literal["target_encoder", "ema_encoder", "encoder"] | None = None
    """which encoder of an official file or checkpoint; the average if not given"""
    image: int | None = None
    """side of the pictures or frames that it is given, in pixels; that of its training if not given"""
    heads: int | None = None
    """attention heads, for a bare file of a width that was never published"""

    @property
    def choice(self) -> Any:
        """The same for `pretrained`, which is not imported for a help."""
        from jepakit.pretrained import Choice

        return Choice(self.entry, self.image, self.heads)


Flat = Annotated[Taken, tyro.conf.arg(name="")]
"""Its options without a prefix."""


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
