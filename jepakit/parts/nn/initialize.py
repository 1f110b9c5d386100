"""How weights begin."""

import math
from typing import Literal

import torch
from torch import nn

Initialization = Literal["flat", "depth_scaled"]


@torch.no_grad()
def initialize(module: nn.Module, kind: Initialization = "flat", std: float = 0.02) -> None:
    """Draws all linear weights from a truncated normal of `std`, with zero biases and unit norms.

    "flat" is the default because I-JEPA and V-JEPA 1 were trained so: their constructors divide the output layers of
    block i by sqrt(2 (i + 1)), but a second pass over all linear layers undoes it before training. "depth_scaled"
    keeps that division, as V-JEPA 2 does.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
    if kind == "depth_scaled":
        for part in module.modules():
            if isinstance(blocks := getattr(part, "blocks", None), nn.ModuleList):
                _scale_outputs(blocks)


def _scale_outputs(blocks: nn.ModuleList) -> None:
    for index, block in enumerate(blocks):
        for layer in block.outputs():
            layer.weight.div_(math.sqrt(2 * (index + 1)))
