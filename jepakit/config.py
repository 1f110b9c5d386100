"""A Config is a call not yet made: a frozen dataclass of plain values whose `build()` makes the thing.

It travels as JSON that names its class by import path, so there is no registry to keep.
"""

import importlib
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind", bound="Config")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Base of everything that a run file may name. Fields are plain values, tuples and other Configs."""

    def build(self) -> Any:
        """Makes the thing that this Config describes; a Config that only holds numbers is returned as it is."""
        return self

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values with the class's import path under "class", at every level."""
        cls = type(self)
        body = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}
        return {"class": f"{cls.__module__}.{cls.__qualname__}", **body}

    @classmethod
    def from_json(cls: type[Kind], data: Mapping[str, Any], trusted: bool = False) -> Kind:
        """The Config that `to_json` wrote.

        Classes outside of jepakit are refused unless `trusted`, for importing a module runs its code. Raises ValueError
        for an unknown class, an unknown or missing field, or a class that is not a `cls`.
        """
        found = _resolve(data, trusted)
        if not issubclass(found, cls):
            raise ValueError(f"expected a {cls.__name__}, the file describes a {found.__name__}")
        return found(**_arguments(found, data, trusted))


def added(default: Any) -> Any:
    """The default of a field that files of older versions lack: they get it, for they meant what it says.

    All other fields have to be in a file, so that nothing is silently replaced.
    """
    return field(default=default, metadata={"added": True})


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a Config holds plain values, tuples and Configs, not {type(value).__name__}: {value!r}")


def _resolve(data: Mapping[str, Any], trusted: bool) -> type[Config]:
    path = data.get("class")
    if not isinstance(path, str) or "." not in path:
        raise ValueError(f'a config needs "class": an import path such as jepakit.family.ijepa.IJEPA, got {path!r}')
    module_name, name = path.rsplit(".", 1)
    if not trusted and module_name.split(".")[0] != "jepakit":
        raise ValueError(
            f"the config names {path}, which is not part of jepakit; pass trusted=True (--trusted) to import it"
        )
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the config names {path}, which cannot be imported: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Config) and is_dataclass(found)):
        raise ValueError(f"the config names {path}, which is not a Config")
    return found


def _arguments(found: type[Config], data: Mapping[str, Any], trusted: bool) -> dict[str, Any]:
    names = {field.name for field in fields(found)}
    required = {field.name for field in fields(found) if not field.metadata.get("added")}
    given = {key: value for key, value in data.items() if key != "class"}
    if unknown := sorted(given.keys() - names):
        raise ValueError(f"{found.__name__} has no field {', '.join(unknown)}; it has {', '.join(sorted(names))}")
    if missing := sorted(required - given.keys()):
        raise ValueError(f"the config of {found.__name__} lacks {', '.join(missing)}")
    hints = get_type_hints(found)
    return {key: _typed(value, hints[key], f"{found.__name__}.{key}", trusted) for key, value in given.items()}


def _typed(value: Any, hint: Any, where: str, trusted: bool) -> Any:
    """`value` from JSON as the annotated type, or a ValueError that says where the file is wrong."""
    origin, choices = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _first_that_fits(value, choices, where, trusted)
    if origin is Literal and value in choices:
        return value
    if origin is tuple and isinstance(value, list):
        each = choices[:1] * len(value) if choices[1:] == (Ellipsis,) else choices
        if len(each) == len(value):
            return tuple(_typed(item, kind, where, trusted) for item, kind in zip(value, each, strict=True))
    if isinstance(hint, type) and issubclass(hint, Config) and isinstance(value, dict):
        return hint.from_json(value, trusted)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (bool, int, float, str) and type(value) is hint:
        return value
    if hint in (None, type(None)) and value is None:
        return None
    raise ValueError(f"{where} should be {getattr(hint, '__name__', hint)}, the file has {value!r}")


def _first_that_fits(value: Any, choices: tuple[Any, ...], where: str, trusted: bool) -> Any:
    reasons = []
    for choice in choices:
        try:
            return _typed(value, choice, where, trusted)
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError("; ".join(reasons))
