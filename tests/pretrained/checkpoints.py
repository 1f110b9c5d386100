"""Checkpoints as others write them, made of random weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from jepakit.config import Config
from jepakit.family.ijepa import IJEPA
from jepakit.methods.masked import MaskedJEPA
from jepakit.pretrained.positions import VECTORS, table_of
from jepakit.weights.ijepa import encoder_map, predictor_map

# As wide as the smallest published model, so that its heads are known.
MODEL = IJEPA(image=(32, 32), patch=8, dim=192, depth=2, heads=3, predictor_dim=24, predictor_depth=1)


@dataclass(frozen=True, kw_only=True)
class Stranger(Config):
    """A model whose class is not part of jepakit."""

    def build(self) -> MaskedJEPA:
        return MODEL.build()


@torch.no_grad()
def build_noisy(model: IJEPA = MODEL, seed: int = 0) -> MaskedJEPA:
    """A method whose every parameter is noise: biases, norms, and a target that differs from its encoder."""
    method = model.build().eval()
    generator = torch.Generator().manual_seed(seed)
    for parameter in method.parameters():
        parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return method


def official_entries(method: MaskedJEPA, model: IJEPA = MODEL, prefix: str = "module.") -> dict[str, dict[str, Tensor]]:
    """The networks of a method as the released training code names them, behind DDP's prefix."""
    encoder, predictor = encoder_map("official", model.depth, model.patch), predictor_map(model.predictor_depth)
    written = {
        "encoder": encoder.write(with_table(method.backbone)),
        "target_encoder": encoder.write(with_table(method.kept)),
        "predictor": predictor.write(with_table(method.predictor)),
    }
    return {name: {prefix + key: tensor for key, tensor in state.items()} for name, state in written.items()}


def with_table(network: torch.nn.Module) -> dict[str, Tensor]:
    return network.state_dict() | {VECTORS: table_of(network.position)}


def write_official(path: Path, method: MaskedJEPA, model: IJEPA = MODEL, prefix: str = "module.") -> Path:
    """A .pth.tar with everything that the released training code puts into one."""
    rest = {"opt": {"state": {}, "param_groups": [{"lr": 1e-3}]}, "scaler": None, "epoch": 300, "loss": 0.1,
            "batch_size": 128, "world_size": 16, "lr": 1e-3}  # fmt: skip
    torch.save(official_entries(method, model, prefix) | rest, path)
    return path


def picture(height: int = 32, width: int = 32, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(9))
