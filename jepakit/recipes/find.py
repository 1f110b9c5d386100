"""Recipes by name: `images:ijepa_tiny`, `my_package.runs:exp7` or `./exp7.py:run`."""

import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import cast

import jepakit.recipes
from jepakit.train.run import Run

Recipe = Callable[[], Run]


def find(name: str) -> Recipe:
    """The function that `name` means. Raises ValueError with the names that there are."""
    module_name, _, function_name = name.rpartition(":")
    if not module_name:
        raise ValueError(f"a recipe is named MODULE:FUNCTION, got {name!r}; there are {', '.join(shipped())}")
    found = getattr(_module(module_name), function_name, None)
    if not callable(found):
        raise ValueError(f"there is no recipe {name!r}; there are {', '.join(shipped())}")
    return cast(Recipe, found)


def shipped() -> dict[str, Recipe]:
    """All recipes that come with jepakit, by name."""
    found = {}
    for entry in pkgutil.iter_modules(jepakit.recipes.__path__):
        module = importlib.import_module(f"jepakit.recipes.{entry.name}")
        for name, member in inspect.getmembers(module, inspect.isfunction):
            form = inspect.signature(member)
            is_recipe = member.__module__ == module.__name__ and not name.startswith("_") and not form.parameters
            if is_recipe and form.return_annotation is Run:
                found[f"{entry.name}:{name}"] = member
    return found


def look_here() -> None:
    """Lets Python import what lies in the working folder, as `python -m` does: last, so that it hides nothing."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)


def _module(name: str) -> ModuleType:
    if name.endswith(".py"):
        return _module_from_file(Path(name))
    own = {entry.name for entry in pkgutil.iter_modules(jepakit.recipes.__path__)}
    if name not in own:
        look_here()
    try:
        return importlib.import_module(f"jepakit.recipes.{name}" if name in own else name)
    except ModuleNotFoundError as error:
        raise ValueError(f"cannot import the recipes of {name!r}: {error}") from None


def _module_from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ValueError(f"there is no file {path}; a recipe in a file is named PATH.py:FUNCTION")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # whoever asks a class for its source looks there
    spec.loader.exec_module(module)
    return module
