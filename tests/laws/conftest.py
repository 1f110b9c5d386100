"""The members of the family, found by walking it: a new member is tested by being there."""

import importlib
import pkgutil

import pytest
import torch

import jepakit.family
from jepakit.config import Config


def members() -> dict[str, Config]:
    names = [module.name for module in pkgutil.iter_modules(jepakit.family.__path__)]
    return {name: importlib.import_module(f"jepakit.family.{name}").TINY for name in names}


@pytest.fixture(params=members().values(), ids=members().keys())
def tiny(request: pytest.FixtureRequest) -> Config:
    torch.manual_seed(0)
    return request.param


@pytest.fixture
def batch(tiny: Config) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(8, *tiny.samples[0], generator=torch.Generator().manual_seed(1))}
