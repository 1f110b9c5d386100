"""Key maps are exact inverses of themselves, and name all that does not fit."""

import pytest
import torch
from torch import Tensor

from jepakit.weights.ijepa import ENCODERS, encoder_map, encoder_sizes, find_layout, predictor_map, shapes_of
from jepakit.weights.keys import KeyMap, count_blocks, joined, listed, same, strip_prefix

OFFICIAL_BLOCK = ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"]


def layers(*names: str) -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}


def our_encoder(depth: int = 2, dim: int = 8, patch: int = 2) -> dict[str, Tensor]:
    shapes = {
        "position.vectors": (4, dim),
        "tokenizer.projection.weight": (dim, 3 * patch * patch),
        "tokenizer.projection.bias": (dim,),
        "encoder.norm.weight": (dim,),
        "encoder.norm.bias": (dim,),
    }
    for index in range(depth):
        block = {"attention_norm": (dim, 0), "attention.qkv": (3 * dim, dim), "attention.projection": (dim, dim),
                 "mlp_norm": (dim, 0), "mlp.expand": (4 * dim, dim), "mlp.contract": (dim, 4 * dim)}  # fmt: skip
        for name, (rows, columns) in block.items():
            shapes[f"encoder.blocks.{index}.{name}.weight"] = (rows, columns) if columns else (rows,)
            shapes[f"encoder.blocks.{index}.{name}.bias"] = (rows,)
    return {name: torch.randn(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("layout", ENCODERS)
def test_there_and_back_is_bit_identical(layout: str) -> None:
    ours, keys = our_encoder(), encoder_map(layout, 2, 2)
    theirs = keys.write(ours)
    again = keys.read(theirs, "a file")
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)
    assert find_layout(shapes_of(theirs)) == layout
    sizes = encoder_sizes(layout, shapes_of(theirs), "a file")
    assert (sizes.dim, sizes.depth, sizes.hidden, sizes.channels, sizes.patch) == (8, 2, 32, 3, 2)


def test_released_names() -> None:
    blocks = [f"blocks.{index}.{part}" for index in range(2) for part in OFFICIAL_BLOCK]
    expected = layers("patch_embed.proj", *blocks, "norm") | {"pos_embed"}
    assert set(encoder_map("official", 2, 2).write(our_encoder())) == expected
    blocks = [f"predictor_blocks.{index}.{part}" for index in range(1) for part in OFFICIAL_BLOCK]
    expected = layers("predictor_embed", *blocks, "predictor_norm", "predictor_proj")
    names = {name for rule in predictor_map(1).rules for name in rule.theirs}
    assert names == expected | {"mask_token", "predictor_pos_embed"}


def test_a_convolution_is_a_matrix_over_patches() -> None:
    convolution = torch.randn(8, 3, 2, 2)
    theirs = encoder_map("official", 2, 2).write(our_encoder()) | {"patch_embed.proj.weight": convolution}
    matrix = encoder_map("official", 2, 2).read(theirs, "a file")["tokenizer.projection.weight"]
    patch = torch.randn(3, 2, 2)
    torch.testing.assert_close(matrix @ patch.flatten(), (convolution * patch).sum(dim=(1, 2, 3)))


def test_missing_and_left_over_are_named_together() -> None:
    keys = KeyMap((same("a", "x"), joined("b", "y", "z")))
    state = {"x": torch.ones(1), "y": torch.ones(1), "other": torch.ones(1)}
    with pytest.raises(ValueError, match="the file lacks z and has other, which no part of the model takes"):
        keys.read(state, "the file")


def test_only_a_leading_prefix_of_all_names_is_stripped() -> None:
    prefixes = ("module.backbone.", "module.", "backbone.")
    one = torch.ones(1)
    assert set(strip_prefix({"module.a": one, "module.module.b": one}, prefixes)) == {"a", "module.b"}
    assert set(strip_prefix({"module.backbone.a": one}, prefixes)) == {"a"}
    assert set(strip_prefix({"backbone.a": one, "head.backbone.b": one}, prefixes)) == {"backbone.a", "head.backbone.b"}
    assert strip_prefix({}, prefixes) == {}


def test_blocks_are_counted_by_their_numbers() -> None:
    assert count_blocks(["blocks.0.a", "blocks.11.a", "other.99"], "blocks.") == 12
    assert count_blocks(["norm"], "blocks.") == 0


def test_a_gap_in_the_blocks_is_named() -> None:
    theirs = encoder_map("official", 3, 2).write(our_encoder(depth=3))
    without = {name: tensor for name, tensor in theirs.items() if not name.startswith("blocks.1.")}
    with pytest.raises(ValueError, match=r"lacks blocks\.1\.attn\.proj\.bias"):
        encoder_map("official", count_blocks(without, "blocks."), 2).read(without, "a file")


def test_long_lists_are_cut() -> None:
    assert listed([f"n{index}" for index in range(9)]) == "n0, n1, n2, n3, n4, n5 and 3 more"


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("patch_embed.proj.weight", torch.ones(8, 12), "4 axes, but has it as"),
        ("patch_embed.proj.weight", torch.ones(8, 3, 2, 4), "patches of 2 x 4; only square"),
        ("blocks.0.mlp.fc1.weight", None, "should have blocks.0.mlp.fc1.weight with 2 axes, but lacks it"),
    ],
)
def test_odd_shapes_are_told(name: str, tensor: Tensor | None, words: str) -> None:
    shapes = shapes_of(encoder_map("official", 2, 2).write(our_encoder()))
    del shapes[name]
    if tensor is not None:
        shapes[name] = tuple(tensor.shape)
    with pytest.raises(ValueError, match=words):
        encoder_sizes("official", shapes, "a file")


def test_something_else_is_no_encoder() -> None:
    assert find_layout({"conv1.weight": (8, 3, 2, 2), "fc.bias": (8,)}) is None


def test_patches_of_clips_are_not_those_of_pictures() -> None:
    shapes = shapes_of(encoder_map("official", 2, 2).write(our_encoder()))
    assert find_layout(shapes | {"patch_embed.proj.weight": (8, 3, 2, 2, 2)}) is None
