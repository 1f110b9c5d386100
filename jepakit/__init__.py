"""jepakit: where the JEPA family lives. Public names, imported when they are first used."""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load": "jepakit.pretrained",
    "Tokens": "jepakit.tokens",
    "Split": "jepakit.tokens",
    "Places": "jepakit.tokens",
    "Config": "jepakit.config",
    "Run": "jepakit.train.run",
    "fit": "jepakit.train.fit",
}

__all__ = ["Config", "Places", "Run", "Split", "Tokens", "__version__", "fit", "load"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jepakit' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
