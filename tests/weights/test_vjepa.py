"""Names and shapes of the released V-JEPA networks, as the released code builds them."""

import pytest
import torch
from torch import Tensor

from jepakit.config import Config
from jepakit.family import vjepa, vjepa2, vjepa21
from jepakit.family.vjepa21 import spaced
from jepakit.weights import vjepa as keys
from jepakit.weights.ijepa import shapes_of

Shapes = dict[str, tuple[int, ...]]


def layer(name: str, rows: int, *columns: int) -> Shapes:
    return {f"{name}.weight": (rows, *columns), f"{name}.bias": (rows,)}


def blocks(stem: str, depth: int, dim: int, hidden: int) -> Shapes:
    """What pre-norm blocks hold."""
    shapes: Shapes = {}
    for index in range(depth):
        at = f"{stem}.{index}"
        shapes |= layer(f"{at}.norm1", dim) | layer(f"{at}.norm2", dim)
        shapes |= layer(f"{at}.attn.qkv", 3 * dim, dim) | layer(f"{at}.attn.proj", dim, dim)
        shapes |= layer(f"{at}.mlp.fc1", hidden, dim) | layer(f"{at}.mlp.fc2", dim, hidden)
    return shapes


def mask_tokens(count: int) -> Shapes:
    return {f"mask_tokens.{index}": (1, 1, 384) for index in range(count)}


def marks(dim: int) -> Shapes:
    return {"video_mod_embed": (1, 1, dim), "img_mod_embed": (1, 1, dim)}


def predictor(dim: int, tokens: int) -> Shapes:
    return (
        mask_tokens(tokens) | layer("predictor_embed", 384, dim) | blocks("predictor_blocks", 12, 384, 1536)
        | layer("predictor_norm", 384) | layer("predictor_proj", dim, 384)
    )  # fmt: skip


def dense_predictor(first: Shapes, depth: int, answer: int) -> Shapes:
    return (
        mask_tokens(8) | marks(384) | first | blocks("predictor_blocks", depth, 384, 1536)
        | layer("predictor_norm", 384) | layer("predictor_proj", answer, 384)
        | layer("predictor_proj_context", answer, 384)
    )  # fmt: skip


def hidden_layer(dim: int) -> Shapes:
    return layer("predictor_embed.0", dim, 4 * dim) | layer("predictor_embed.2", 384, dim)


PREDICTORS = {
    "2": (vjepa2.VIT_L16, keys.predictor_map(12, 10, table=False), predictor(1024, 10)),
    "2.1 large": (vjepa21.VIT_L16, keys.predictor_map_21(24, 8, 4), dense_predictor(hidden_layer(1024), 24, 4096)),
    "2.1 giant": (vjepa21.VIT_G16, keys.predictor_map_21(24, 8, 4), dense_predictor(hidden_layer(1408), 24, 5632)),
    "2.1 distilled": (
        vjepa21.DISTILLED_B16,
        keys.predictor_map_21(12, 8, 1),
        dense_predictor(layer("predictor_embed", 384, 768), 12, 1664),
    ),
}


def states(model: Config) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    with torch.device("meta"):
        method = model.build()
    return method.backbone.state_dict(), method.predictor.state_dict()


@pytest.mark.parametrize(("model", "mapped", "expected"), PREDICTORS.values(), ids=PREDICTORS.keys())
def test_predictors_have_the_names_and_shapes_of_the_release(model: Config, mapped, expected: Shapes) -> None:
    assert shapes_of(mapped.write(states(model)[1])) == expected


def test_encoders_have_the_names_and_shapes_of_the_release() -> None:
    plain = blocks("blocks", 24, 1024, 4096) | layer("patch_embed.proj", 1024, 3, 2, 16, 16)
    mapped = keys.encoder_map(24, (2, 16, 16), table=False)
    for model in (vjepa.VIT_L16, vjepa2.VIT_L16):
        assert shapes_of(mapped.write(states(model)[0])) == plain | layer("norm", 1024)
    levels = {name: shape for index in range(4) for name, shape in layer(f"norms_block.{index}", 1024).items()}
    image = layer("patch_embed_img.proj", 1024, 3, 1, 16, 16)
    mapped = keys.encoder_map_21(24, spaced(24, 4), (2, 16, 16))
    assert shapes_of(mapped.write(states(vjepa21.VIT_L16)[0])) == plain | levels | image | marks(1024)


@pytest.mark.parametrize("levels", [1, 4])
def test_a_dense_predictor_there_and_back_is_bit_identical(levels: int) -> None:
    first = layer("predictor_embed", 384, 48) if levels == 1 else hidden_layer(48)
    generator = torch.Generator().manual_seed(0)
    shapes = dense_predictor(first, 2, 96)
    theirs = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    mapped = keys.predictor_map_21(2, 8, levels)
    again = mapped.write(mapped.read(theirs, "a file"))
    assert again.keys() == theirs.keys()
    assert all(torch.equal(again[name], theirs[name]) for name in theirs)
    sizes = keys.dense_predictor_sizes(shapes, "a file")
    assert (sizes.width, sizes.depth, sizes.mask_tokens, sizes.levels, sizes.answer_dim) == (384, 2, 8, levels, 96)


def test_mask_tokens_and_marks_keep_their_order() -> None:
    shapes = dense_predictor(layer("predictor_embed", 384, 48), 1, 48)
    theirs = {name: torch.zeros(shape) for name, shape in shapes.items()}
    for index in range(8):
        theirs[f"mask_tokens.{index}"] += index
    theirs["video_mod_embed"] += 1
    theirs["img_mod_embed"] += 2
    ours = keys.predictor_map_21(1, 8, 1).read(theirs, "a file")
    assert ours["mask_tokens"][:, 0].tolist() == list(range(8))
    assert ours["marks.vectors"][:, 0].tolist() == [1, 2]
