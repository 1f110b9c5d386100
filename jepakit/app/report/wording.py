"""Numbers and names as people read them."""

import html
import math

from jepakit.config import Config

Number = int | float

_PREFIXES = ((1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def escape(value: object) -> str:
    """Text that comes from data, safe inside of HTML and of its quoted attributes."""
    return html.escape(str(value))


def number(value: Number) -> str:
    """Three digits that matter: 0.0123, 4.57, 346, 12,300, 1e-06."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    size = math.floor(math.log10(abs(value)))
    if size < -4 or size > 8:
        return f"{value:.2g}"
    if size >= 3:
        return f"{value:,.0f}"
    return f"{value:.{max(2 - size, 0)}f}"


def tick(value: Number) -> str:
    """A number on an axis, as short as it can be."""
    return f"{value:,.0f}" if abs(value) >= 1000 and value == round(value) else f"{value:.4g}"


def percent(share: Number) -> str:
    """A share with one digit: 84.3 %."""
    return f"{100 * share:.1f} %"


def small(share: Number) -> str:
    """A share that may be tiny, or many times the whole: 0.034 %, 31 %, 67 times."""
    if share >= 10:
        return f"{share:,.0f} times"
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def duration(seconds: Number) -> str:
    """Seconds, minutes or hours, whichever is easiest to read."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def scaled(value: Number, unit: str) -> str:
    """A large number with a prefix: 3.2 TFLOP."""
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{number(value / size)} {prefix}{unit}"
    return f"{number(value)} {unit}"


def title_of(model: Config) -> str:
    """What a model is called in tables: the title that its class gives itself, or the name of the class."""
    return vars(type(model)).get("title", type(model).__name__)
