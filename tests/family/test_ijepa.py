"""The published sizes, exactly, and the names under which their weights are stored."""

import pytest
import torch
from torch import nn

from jepakit.family.ijepa import (
    IJEPA,
    TINY,
    VIT_B16,
    VIT_G16,
    VIT_H14,
    VIT_H16_448,
    VIT_L16,
    VIT_S16,
    VIT_T16,
    from_official,
    with_networks_of,
)
from jepakit.weights.ijepa import EncoderSizes, PredictorSizes

# Exact counts; rounded, they are the numbers of the reference: 5.49, 21.59, 85.65, 303.10, 630.43, 630.66, 1011.09 M.
ENCODERS = {
    "tiny": (VIT_T16, 5_486_400),
    "small": (VIT_S16, 21_589_632),
    "base": (VIT_B16, 85_646_592),
    "large": (VIT_L16, 303_098_880),
    "huge14": (VIT_H14, 630_434_560),
    "huge16_448": (VIT_H16_448, 630_664_960),
    "giant": (VIT_G16, 1_011_092_608),
}
# Rounded: 11.24, 22.08, 22.28 and 29.48 M.
PREDICTORS = {
    "base": (VIT_B16, 11_238_912),
    "large": (VIT_L16, 22_082_560),
    "huge": (VIT_H14, 22_279_424),
    "giant": (VIT_G16, 29_475_712),
}
BLOCK = ["attention_norm", "attention.qkv", "attention.projection", "mlp_norm", "mlp.expand", "mlp.contract"]


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def build(model: IJEPA):
    with torch.device("meta"):
        return model.build()


@pytest.mark.parametrize(("model", "expected"), ENCODERS.values(), ids=ENCODERS.keys())
def test_encoder_has_the_published_number_of_parameters(model: IJEPA, expected: int) -> None:
    assert count(build(model).backbone) == expected


@pytest.mark.parametrize(("model", "expected"), PREDICTORS.values(), ids=PREDICTORS.keys())
def test_predictor_has_the_published_number_of_parameters(model: IJEPA, expected: int) -> None:
    assert count(build(model).predictor) == expected


def layers(*names: str) -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}


def test_names_of_weights_are_frozen() -> None:
    """Checkpoints that were written by an older jepakit must load: change these names only with a new FORMAT."""
    blocks = [f"encoder.blocks.{index}.{part}" for index in range(TINY.depth) for part in BLOCK]
    backbone = layers("tokenizer.projection", *blocks, "encoder.norm")
    blocks = [f"encoder.blocks.{index}.{part}" for index in range(TINY.predictor_depth) for part in BLOCK]
    predictor = layers("embedding", *blocks, "encoder.norm", "projection") | {"mask_tokens"}
    expected = {f"{name}.{key}" for name in ("backbone", "target.network") for key in backbone}
    assert set(build(TINY).state_dict()) == expected | {f"predictor.{key}" for key in predictor}


@pytest.mark.parametrize("model", [TINY, VIT_S16, VIT_H14, VIT_H16_448, VIT_G16])
def test_sizes_give_back_the_model(model: IJEPA) -> None:
    encoder = EncoderSizes(
        dim=model.dim, depth=model.depth, hidden=round(model.dim * model.mlp_ratio), channels=3, patch=model.patch
    )
    predictor = PredictorSizes(width=model.predictor_dim, depth=model.predictor_depth)
    heads = None if model is not TINY else TINY.heads
    assert from_official(encoder, predictor, model.extent, heads) == model


def test_an_unpublished_width_needs_heads() -> None:
    with pytest.raises(ValueError, match="no published I-JEPA is 48 wide; state heads="):
        from_official(EncoderSizes(dim=48, depth=2, hidden=192, channels=3, patch=8), None, (4, 4))


def test_a_model_without_a_predictor_still_builds() -> None:
    five_heads = EncoderSizes(dim=40, depth=1, hidden=160, channels=3, patch=8)
    build(from_official(five_heads, None, (4, 4), heads=5))


def test_networks_of_another_model_leave_the_task_alone() -> None:
    task = IJEPA(masks="random", target="shared", blocks=2, momentum=(0.9, 1.0), dim=192, heads=3)
    both = with_networks_of(task, TINY)
    assert (both.masks, both.target, both.blocks, both.momentum) == ("random", "shared", 2, (0.9, 1.0))
    names = set(build(TINY).state_dict())
    assert {name for name in names if not name.startswith("target.")} == set(build(both).state_dict())
