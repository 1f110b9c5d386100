"""Video checkpoints as others write them, made of random weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jepakit.config import Config
from jepakit.family.vjepa import VJEPA
from jepakit.family.vjepa2 import VJEPA2
from jepakit.family.vjepa21 import VJEPA21, spaced
from jepakit.methods.masked import MaskedJEPA
from jepakit.pretrained.positions import VECTORS, table_of
from jepakit.weights import vjepa

# As wide as the smallest size in the released code, so that heads are known.
V1 = VJEPA(frames=4, image=(32, 32), patch=8, dim=192, depth=2, heads=3, predictor_dim=48, predictor_depth=1)
V2 = VJEPA2(
    patch=8, dim=192, depth=2, heads=3, predictor_dim=72, predictor_depth=1, mask_tokens=10, positions="released"
)
V21 = VJEPA21(
    image=(384, 384), patch=8, dim=192, depth=4, heads=3, predictor_dim=72, predictor_depth=1,
)  # fmt: skip
DISTILLED = replace(V21, distilled_from=80)


@torch.no_grad()
def build_noisy(model: Config, seed: int = 0) -> MaskedJEPA:
    """A method whose every parameter is noise: biases, norms, mask tokens; its target differs from its encoder."""
    method = model.build().eval()
    generator = torch.Generator().manual_seed(seed)
    for parameter in method.parameters():
        parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return method


def entries(method: MaskedJEPA, model: Any) -> dict[str, dict[str, Tensor]]:
    """The networks of a method as released, behind the prefix of the training code."""
    encoder, predictor = maps_of(model)
    table = isinstance(model, VJEPA)
    kept = "ema_encoder" if getattr(model, "distilled_from", None) else "target_encoder"
    written = {
        "encoder": encoder.write(state_of(method.backbone, table)),
        kept: encoder.write(state_of(method.kept, table)),
        "predictor": predictor.write(state_of(method.predictor, table)),
    }
    return {
        name: {f"module.backbone.{key}": tensor for key, tensor in state.items()} for name, state in written.items()
    }


def maps_of(model: Any):
    cell = (model.tubelet, model.patch, model.patch)
    if isinstance(model, VJEPA21):
        levels = 1 if model.distilled_from else model.levels
        return (
            vjepa.encoder_map_21(model.depth, spaced(model.depth, model.levels), cell),
            vjepa.predictor_map_21(model.predictor_depth, model.mask_tokens, levels),
        )
    table = isinstance(model, VJEPA)
    tokens = 2 if table else model.mask_tokens
    return vjepa.encoder_map(model.depth, cell, table), vjepa.predictor_map(model.predictor_depth, tokens, table)


def state_of(network: torch.nn.Module, table: bool) -> dict[str, Tensor]:
    return network.state_dict() | ({VECTORS: table_of(network.position)} if table else {})


def write_released(path: Path, networks: dict[str, dict[str, Tensor]]) -> Path:
    """A file with everything that the released training code puts into one."""
    rest = {"opt": {"state": {}, "param_groups": [{"lr": 1e-3}]}, "scaler": None, "epoch": 300, "loss": 0.1,
            "batch_size": 24, "world_size": 128, "lr": 1e-3}  # fmt: skip
    torch.save(networks | rest, path)
    return path


def with_stale(networks: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Released files of V-JEPA 2 still have tables of positions that nothing reads."""
    return {
        name: state | {f"module.backbone.{'predictor_' if name == 'predictor' else ''}pos_embed": torch.ones(1, 4, 8)}
        for name, state in networks.items()
    }


def clip(frames: int = 4, side: int = 32, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, frames, side, side, generator=torch.Generator().manual_seed(9))
