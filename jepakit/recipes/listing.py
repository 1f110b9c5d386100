"""The list verb: what comes with the library."""

from jepakit.data import packaged
from jepakit.recipes.find import shipped


def describe() -> str:
    """Recipes and packaged data, one a line, as a user would name them."""
    lines = ["recipes (jepakit show NAME, jepakit train NAME)"]
    lines += [f"  {name:30} {(recipe.__doc__ or '').strip().splitlines()[0]}" for name, recipe in shipped().items()]
    lines += ["", "packaged data (--data.root packaged:NAME)"]
    for name in packaged.NAMES:
        lines.append(f"  {name:30} {'ready' if packaged.available(name) else 'fetched when it is first used'}")
    return "\n".join(lines)
