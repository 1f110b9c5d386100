"""jepakit: where the JEPA family lives. Public names, imported when they are first used."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jepakit.config import Config as Config
    from jepakit.pretrained import load as load
    from jepakit.pretrained import load_classifier as load_classifier
    from jepakit.tokens import Places as Places
    from jepakit.tokens import Split as Split
    from jepakit.tokens import Tokens as Tokens
    from jepakit.train.fit import fit as fit
    from jepakit.train.run import Run as Run

__version__ = "0.1.0"

_PUBLIC = {
    "load": "jepakit.pretrained",
    "load_classifier": "jepakit.pretrained",
    "Tokens": "jepakit.tokens",
    "Split": "jepakit.tokens",
    "Places": "jepakit.tokens",
    "Config": "jepakit.config",
    "Run": "jepakit.train.run",
    "fit": "jepakit.train.fit",
}

__all__ = ["Config", "Places", "Run", "Split", "Tokens", "__version__", "fit", "load", "load_classifier"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jepakit' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
