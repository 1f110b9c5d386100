"""The members of the family and its rivals, found by walking: a new one is tested by being there."""

import importlib
import pkgutil
from collections.abc import Callable

import pytest
import torch

import jepakit.family
import jepakit.rivals
from jepakit.config import Config
from jepakit.methods.cloning import Cloning
from jepakit.methods.multiview import MultiView
from jepakit.methods.world_model import WorldModelJEPA


def members() -> dict[str, Config]:
    rooms = (jepakit.family, jepakit.rivals)
    paths = [f"{room.__name__}.{module.name}" for room in rooms for module in pkgutil.iter_modules(room.__path__)]
    return {path.rpartition(".")[2]: importlib.import_module(path).TINY for path in paths}


@pytest.fixture(params=members().values(), ids=members().keys())
def tiny(request: pytest.FixtureRequest) -> Config:
    torch.manual_seed(0)
    return request.param


@pytest.fixture
def batch_of(tiny: Config) -> Callable[[tuple[int, ...]], dict[str, torch.Tensor]]:
    """Eight samples of a shape that the member can learn from: two views of each, where it compares views, and the
    actions between the frames, where it is a world model."""
    method = tiny.build()
    compares = isinstance(method, MultiView)

    def draw(shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(8, *shape, generator=generator)
        other = x + 0.1 * torch.randn(8, *shape, generator=generator)
        told = acted(method, shape, 8, generator) if isinstance(method, WorldModelJEPA | Cloning) else {}
        return {"x": x, "globals": other.unsqueeze(1)} if compares else {"x": x, **told}

    return draw


def acted(
    method: WorldModelJEPA | Cloning, shape: tuple[int, ...], count: int, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Actions of an arm or of what else the member is told of, and a body that each of them pushes along."""
    actions = torch.randn(count, shape[1] - 1, method.action.dim, generator=generator)
    if isinstance(method, Cloning) or method.body is None:
        return {"actions": actions}
    start = torch.randn(count, 1, method.body.proprio.dim, generator=generator)
    pushes = actions[..., :1].expand(-1, -1, start.shape[2])
    return {"actions": actions, "proprio": torch.cat([start, start + pushes.cumsum(dim=1)], dim=1)}


@pytest.fixture
def batch(tiny: Config, batch_of: Callable[[tuple[int, ...]], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return batch_of(tiny.samples[0])
