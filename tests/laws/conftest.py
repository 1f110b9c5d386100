"""The members of the family and its rivals, found by walking: a new one is tested by being there."""

import importlib
import pkgutil

import pytest
import torch

import jepakit.family
import jepakit.rivals
from jepakit.config import Config


def members() -> dict[str, Config]:
    rooms = (jepakit.family, jepakit.rivals)
    paths = [f"{room.__name__}.{module.name}" for room in rooms for module in pkgutil.iter_modules(room.__path__)]
    return {path.rpartition(".")[2]: importlib.import_module(path).TINY for path in paths}


@pytest.fixture(params=members().values(), ids=members().keys())
def tiny(request: pytest.FixtureRequest) -> Config:
    torch.manual_seed(0)
    return request.param


@pytest.fixture
def batch(tiny: Config) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(8, *tiny.samples[0], generator=torch.Generator().manual_seed(1))}
