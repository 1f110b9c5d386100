"""How weights begin."""

import math
from typing import Literal

import torch
from torch import nn

from jepakit.parts.nn.causal import CausalBlock, CausalTransformer
from jepakit.parts.nn.transformer import Block, Transformer

Initialization = Literal["flat", "depth_scaled", "fan_in"]


@torch.no_grad()
def initialize(module: nn.Module, kind: Initialization = "flat", std: float = 0.02) -> None:
    """Draws all linear weights from a truncated normal of `std`, with zero biases and unit norms.

    "flat" is the default because I-JEPA and V-JEPA 1 were trained so: their constructors divide the output layers of
    block i by sqrt(2 (i + 1)), but a second pass over all linear layers undoes it before training. "depth_scaled"
    keeps that division, as V-JEPA 2 does. "fan_in" draws with 1/sqrt(inputs) instead of `std` (LeCun et al. 1998),
    which small networks need: with 0.02, a patch of a few pixels drowns in its position and nothing can be predicted.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear):
            spread = part.in_features**-0.5 if kind == "fan_in" else std
            nn.init.trunc_normal_(part.weight, std=spread, a=-2.0, b=2.0)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.LayerNorm) and part.elementwise_affine:
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
    for part in module.modules():
        if isinstance(part, CausalBlock) and part.modulation is not None:
            nn.init.zeros_(part.modulation.weight)  # AdaLN-zero: blocks begin as the identity
        if kind == "depth_scaled" and isinstance(part, Transformer | CausalTransformer):
            _scale_outputs(part)


def _scale_outputs(encoder: Transformer | CausalTransformer) -> None:
    for index, block in enumerate(encoder.blocks):
        assert isinstance(block, Block | CausalBlock)
        for layer in block.outputs():
            layer.weight.div_(math.sqrt(2 * (index + 1)))
