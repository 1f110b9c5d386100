"""V-JEPA, V-JEPA 2 and 2.1 elsewhere: the released checkpoints, and Hugging Face's VJEPA2Model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from jepakit.weights.ijepa import (
    OFFICIAL_BLOCK,
    OFFICIAL_PREDICTOR_BLOCK,
    BlockNames,
    shape_of,
)
from jepakit.weights.keys import KeyMap, Rule, Shapes, State, batched, convolution, count_blocks, layer, same

LICENSES = {"V-JEPA": "CC-BY-NC-4.0", "V-JEPA 2": "MIT", "V-JEPA 2.1": "MIT"}
"""Of the released weights (LICENSE files of the reference repositories)."""

Generation = Literal["V-JEPA", "V-JEPA 2", "V-JEPA 2.1"]
# Heads are in no tensor's shape: those of the sizes in the released code, by width.
_SMALL = {192: 3, 384: 6, 768: 12, 1024: 16}
_HEADS: dict[Generation, dict[int, int]] = {
    "V-JEPA": _SMALL | {1280: 16, 1408: 16},
    "V-JEPA 2": _SMALL | {1280: 16, 1408: 22},
    "V-JEPA 2.1": _SMALL | {1408: 22, 1664: 26},
}

# Tables of positions that released V-JEPA 2 files still carry although nothing reads them (official code, hub).
STALE = ("pos_embed", "predictor_pos_embed")

_HF_NAMES = {
    "attention_norm": "norm1",
    "qkv": ("attention.query", "attention.key", "attention.value"),
    "projection": "attention.proj",
    "mlp_norm": "norm2",
    "expand": "mlp.fc1",
    "contract": "mlp.fc2",
}
HF_BLOCK = BlockNames(stem="encoder.layer.", **_HF_NAMES)
HF_PREDICTOR_BLOCK = BlockNames(stem="predictor.layer.", **_HF_NAMES)


@dataclass(frozen=True, kw_only=True)
class EncoderSizes:
    """What the shapes of a checkpoint say about its encoder."""

    dim: int
    depth: int
    hidden: int
    channels: int
    tubelet: int
    patch: int


@dataclass(frozen=True, kw_only=True)
class PredictorSizes:
    """What the shapes of a checkpoint say about its predictor."""

    width: int
    depth: int
    mask_tokens: int


@dataclass(frozen=True, kw_only=True)
class DensePredictorSizes(PredictorSizes):
    """What the shapes say about a predictor of V-JEPA 2.1: also how many levels it reads, how wide it answers."""

    levels: int
    answer_dim: int


def encoder_map(depth: int, cell: tuple[int, int, int], table: bool) -> KeyMap:
    """Our Backbone and the released encoder of V-JEPA and V-JEPA 2; with a `table` of positions, as V-JEPA has it."""
    return KeyMap(
        (
            *([batched("position.vectors", "pos_embed")] if table else []),
            *_patches("tokenizer", "patch_embed", cell),
            *OFFICIAL_BLOCK.rules(depth),
            *layer("encoder.norm", "norm"),
        )
    )


def predictor_map(depth: int, mask_tokens: int, table: bool) -> KeyMap:
    """Our MaskTokenPredictor and the released one of V-JEPA and V-JEPA 2."""
    return KeyMap(
        (
            stacked("mask_tokens", *(f"mask_tokens.{index}" for index in range(mask_tokens))),
            *([batched("position.vectors", "predictor_pos_embed")] if table else []),
            *layer("embedding", "predictor_embed"),
            *OFFICIAL_PREDICTOR_BLOCK.rules(depth),
            *layer("encoder.norm", "predictor_norm"),
            *layer("projection", "predictor_proj"),
        )
    )


def encoder_map_21(depth: int, levels: tuple[int, ...], cell: tuple[int, int, int]) -> KeyMap:
    """Our Backbone with two tokenizers and norms at `levels`, and the released encoder of V-JEPA 2.1."""
    norms = [f"encoder.level_norms.{level}" for level in levels[:-1]] + ["encoder.norm"]
    return KeyMap(
        (
            *_patches("tokenizer.video", "patch_embed", cell),
            *_patches("tokenizer.image", "patch_embed_img", (1, *cell[1:])),
            stacked("tokenizer.marks.vectors", "video_mod_embed", "img_mod_embed"),
            *OFFICIAL_BLOCK.rules(depth),
            *(rule for index, norm in enumerate(norms) for rule in layer(norm, f"norms_block.{index}")),
        )
    )


def predictor_map_21(depth: int, mask_tokens: int, levels: int) -> KeyMap:
    """Our dense MaskTokenPredictor, and the released one of V-JEPA 2.1; several levels meet in a hidden layer."""
    first = (
        layer("embedding", "predictor_embed")
        if levels == 1
        else (*layer("embedding.0", "predictor_embed.0"), *layer("embedding.2", "predictor_embed.2"))
    )
    return KeyMap(
        (
            stacked("mask_tokens", *(f"mask_tokens.{index}" for index in range(mask_tokens))),
            stacked("marks.vectors", "video_mod_embed", "img_mod_embed"),
            *first,
            *OFFICIAL_PREDICTOR_BLOCK.rules(depth),
            *layer("encoder.norm", "predictor_norm"),
            *layer("projection", "predictor_proj"),
            *layer("context_projection", "predictor_proj_context"),
        )
    )


def hugging_face_map(depth: int, predictor_depth: int, cell: tuple[int, int, int]) -> tuple[KeyMap, KeyMap]:
    """Our Backbone and MaskTokenPredictor, and the two parts of `transformers.VJEPA2Model`."""
    encoder = KeyMap(
        (
            *_patches("tokenizer", "encoder.embeddings.patch_embeddings", cell),
            *HF_BLOCK.rules(depth),
            *layer("encoder.norm", "encoder.layernorm"),
        )
    )
    predictor = KeyMap(
        (
            Rule(
                "mask_tokens",
                ("predictor.embeddings.mask_tokens",),
                lambda tensors: tensors[0].flatten(1),
                lambda tensor: (tensor[:, None, None],),
            ),
            *layer("embedding", "predictor.embeddings.predictor_embeddings"),
            *HF_PREDICTOR_BLOCK.rules(predictor_depth),
            *layer("encoder.norm", "predictor.layernorm"),
            *layer("projection", "predictor.proj"),
        )
    )
    return encoder, predictor


def encoder_sizes(
    shapes: Shapes, where: str, patches: str = "patch_embed", blocks: BlockNames = OFFICIAL_BLOCK
) -> EncoderSizes:
    """Sizes of an encoder. Raises ValueError for what is no transformer on tubelets of square patches."""
    weight = shape_of(shapes, f"{patches}.proj.weight", 5, where)
    if weight[3] != weight[4]:
        raise ValueError(f"{where} has patches of {weight[3]} x {weight[4]}; only square ones are supported")
    hidden = shape_of(shapes, f"{blocks.stem}0.{blocks.expand}.weight", 2, where)[0]
    depth = count_blocks(shapes, blocks.stem)
    return EncoderSizes(
        dim=weight[0], depth=depth, hidden=hidden, channels=weight[1], tubelet=weight[2], patch=weight[3]
    )


def predictor_sizes(shapes: Shapes, where: str) -> PredictorSizes:
    """Sizes of a released predictor of V-JEPA or V-JEPA 2."""
    width = shape_of(shapes, "predictor_norm.weight", 1, where)[0]
    depth = count_blocks(shapes, OFFICIAL_PREDICTOR_BLOCK.stem)
    return PredictorSizes(width=width, depth=depth, mask_tokens=count_blocks(shapes, "mask_tokens."))


def dense_predictor_sizes(shapes: Shapes, where: str) -> DensePredictorSizes:
    """Sizes of a released predictor of V-JEPA 2.1."""
    plain = predictor_sizes(shapes, where)
    answer_dim = shape_of(shapes, "predictor_proj.weight", 2, where)[0]
    levels = 1
    if "predictor_embed.weight" not in shapes:
        dim, together = shape_of(shapes, "predictor_embed.0.weight", 2, where)
        levels = together // dim
    return DensePredictorSizes(
        width=plain.width, depth=plain.depth, mask_tokens=plain.mask_tokens, levels=levels, answer_dim=answer_dim
    )


def hugging_face_predictor_sizes(shapes: Shapes, where: str) -> PredictorSizes:
    """Sizes of the predictor of `transformers.VJEPA2Model`."""
    tokens, _, _, width = shape_of(shapes, "predictor.embeddings.mask_tokens", 4, where)
    return PredictorSizes(width=width, depth=count_blocks(shapes, HF_PREDICTOR_BLOCK.stem), mask_tokens=tokens)


def heads_of(generation: Generation, dim: int) -> int:
    """Attention heads of the published encoder of this width. Raises ValueError for any other width."""
    if dim not in _HEADS[generation]:
        raise ValueError(
            f"a checkpoint does not say how many attention heads it has, and no published {generation} is {dim} wide; "
            "state heads="
        )
    return _HEADS[generation][dim]


def without_stale(state: Mapping[str, Tensor]) -> State:
    """A state without the tables of positions that nothing reads."""
    return {name: tensor for name, tensor in state.items() if name not in STALE}


def stacked(ours: str, *theirs: str) -> Rule:
    """Ours has a row for each of theirs, which are vectors with leading axes of size 1."""
    return Rule(
        ours,
        theirs,
        lambda tensors: torch.cat([tensor.reshape(1, -1) for tensor in tensors]),
        lambda tensor: tuple(row.reshape(1, 1, -1) for row in tensor),
    )


def _patches(ours: str, theirs: str, cell: tuple[int, int, int]) -> tuple[Rule, Rule]:
    """The projection of patches, which is a convolution elsewhere."""
    return (
        convolution(f"{ours}.projection.weight", f"{theirs}.proj.weight", cell),
        same(f"{ours}.projection.bias", f"{theirs}.proj.bias"),
    )
