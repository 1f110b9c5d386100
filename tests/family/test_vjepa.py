"""The published sizes of V-JEPA, V-JEPA 2 and 2.1, exactly, and the names under which their weights are stored."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.family import vjepa, vjepa2, vjepa21
from jepakit.methods.masked import MaskedJEPA
from jepakit.parts.nn.sizes import Larger
from jepakit.probes.classifier import AttentiveClassifier

# Exact counts of what is trained; tables of positions are not. Rounded, they are the numbers of the reference:
# V-JEPA 5.63, 21.88, 86.24, 303.89, 631.65, 631.65, 1012.17 M; V-JEPA 2 303.89, 631.65, 1012.17 M (the first two and
# V-JEPA's differ in nothing that is trained); V-JEPA 2.1 86.8, 304.7, 1013.3 M and about 1.845 B.
ENCODERS = {
    "1 tiny": (replace(vjepa.VIT_L16, dim=192, depth=12, heads=3), 5_633_856),
    "1 small": (replace(vjepa.VIT_L16, dim=384, depth=12, heads=6), 21_884_544),
    "1 base": (replace(vjepa.VIT_L16, dim=768, depth=12, heads=12), 86_236_416),
    "1 large": (vjepa.VIT_L16, 303_885_312),
    "1 huge": (vjepa.VIT_H16, 631_648_000),
    "1 huge 384": (vjepa.VIT_H16_384, 631_648_000),
    "1 giant": (replace(vjepa.VIT_L16, dim=1408, depth=40, mlp_ratio=48 / 11), 1_012_173_952),
    "2 large": (vjepa2.VIT_L16, 303_885_312),
    "2 huge": (vjepa2.VIT_H16, 631_648_000),
    "2 giant": (vjepa2.VIT_G16, 1_012_173_952),
    "2 giant 384": (vjepa2.VIT_G16_384, 1_012_173_952),
    "2.1 base": (vjepa21.VIT_B16, 86_833_152),
    "2.1 large": (vjepa21.VIT_L16, 304_680_960),
    "2.1 giant": (vjepa21.VIT_G16, 1_013_267_968),
    "2.1 gigantic": (vjepa21.VIT_GIGANTIC16, 1_845_216_768),
}
# Rounded: 22.08 and 22.28 M; 22.09, 22.28 and 22.38 M; 22.9 and 23.0 M (distilled), 55.4 and 59.4 M.
PREDICTORS = {
    "1 large": (vjepa.VIT_L16, 22_082_944),
    "1 huge": (vjepa.VIT_H16, 22_279_808),
    "1 huge 384": (vjepa.VIT_H16_384, 22_279_808),
    "2 large": (vjepa2.VIT_L16, 22_086_016),
    "2 huge": (vjepa2.VIT_H16, 22_282_880),
    "2 giant": (vjepa2.VIT_G16, 22_381_312),
    "2 giant 384": (vjepa2.VIT_G16_384, 22_381_312),
    "2.1 base": (vjepa21.DISTILLED_B16, 22_874_752),
    "2.1 large": (vjepa21.DISTILLED_L16, 22_973_056),
    "2.1 giant": (vjepa21.VIT_G16, 55_400_704),
    "2.1 gigantic": (vjepa21.VIT_GIGANTIC16, 59_433_472),
}
# 49.5 and 93.5 M; V-JEPA's own probes are given as 13.0 and 20.2 M with a projection that nothing reads (dim^2 + dim).
CLASSIFIERS = {
    "1 large": ((1024, 16, 1, 400), 13_007_248 - 1024 * 1025),
    "1 huge": ((1280, 16, 1, 400), 20_191_120 - 1280 * 1281),
    "2 large": ((1024, 16, 4, 174), 49_514_670),
    "2 giant": ((1408, 16, 4, 174), 93_494_190),
}


def build(model: Config) -> MaskedJEPA:
    """Names and shapes, but no memory."""
    with torch.device("meta"):
        return model.build()


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(("model", "expected"), ENCODERS.values(), ids=ENCODERS.keys())
def test_encoder_has_the_published_number_of_parameters(model: Config, expected: int) -> None:
    assert count(build(model).backbone) == expected


@pytest.mark.parametrize(("model", "expected"), PREDICTORS.values(), ids=PREDICTORS.keys())
def test_predictor_has_the_published_number_of_parameters(model: Config, expected: int) -> None:
    assert count(build(model).predictor) == expected


@pytest.mark.parametrize(("sizes", "expected"), CLASSIFIERS.values(), ids=CLASSIFIERS.keys())
def test_classifier_has_the_published_number_of_parameters(sizes: tuple[int, int, int, int], expected: int) -> None:
    with torch.device("meta"):
        assert count(AttentiveClassifier(*sizes)) == expected


def layers(*names: str) -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in ("weight", "bias")}


def blocks(depth: int) -> list[str]:
    parts = ("attention_norm", "attention.qkv", "attention.projection", "mlp_norm", "mlp.expand", "mlp.contract")
    return [f"encoder.blocks.{index}.{part}" for index in range(depth) for part in parts]


ENCODER = layers("tokenizer.projection", *blocks(2), "encoder.norm")
PREDICTOR = layers("embedding", *blocks(2), "encoder.norm", "projection") | {"mask_tokens"}
ENCODER_21 = layers(
    "tokenizer.video.projection", "tokenizer.image.projection", *blocks(4), "encoder.norm",
    *(f"encoder.level_norms.{level}" for level in range(3)),
) | {"tokenizer.marks.vectors"}  # fmt: skip
DISTILLED_21 = PREDICTOR | layers("context_projection") | {"marks.vectors"}
PREDICTOR_21 = (DISTILLED_21 - layers("embedding")) | layers("embedding.0", "embedding.2")
NAMES = {
    "1": (vjepa.TINY, ENCODER, PREDICTOR),
    "2": (vjepa2.TINY, ENCODER, PREDICTOR),
    "2.1": (vjepa21.TINY, ENCODER_21, PREDICTOR_21),
    "2.1 distilled": (replace(vjepa21.TINY, distilled_from=64), ENCODER_21, DISTILLED_21),
}


@pytest.mark.parametrize(("model", "encoder", "predictor"), NAMES.values(), ids=NAMES.keys())
def test_names_of_weights_are_frozen(model: Config, encoder: set[str], predictor: set[str]) -> None:
    """Checkpoints that were written by an older jepakit must load: change these names only with a new FORMAT."""
    expected = {f"{name}.{key}" for name in ("backbone", "target.network") for key in encoder}
    assert set(build(model).state_dict()) == expected | {f"predictor.{key}" for key in predictor}


def test_a_distilled_predictor_reads_the_last_level_and_speaks_of_the_larger_network() -> None:
    shapes = {name: list(tensor.shape) for name, tensor in build(vjepa21.DISTILLED_B16).predictor.state_dict().items()}
    assert shapes["embedding.weight"] == [384, 768]
    assert shapes["projection.weight"] == shapes["context_projection.weight"] == [1664, 384]


@pytest.mark.parametrize(
    ("larger", "sentence"),
    [
        (Larger(dim=96, depth=8, heads=4), "the larger network is 96 wide, so set distilled_from to it"),
        (Larger(dim=64, depth=6, heads=4), "4 levels do not divide 6 blocks"),
    ],
)
def test_a_larger_network_that_does_not_fit_is_refused(larger: Larger, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(vjepa21.TINY, distilled_from=64, larger=larger).build()


def test_the_larger_network_of_the_released_models_is_the_gigantic_one() -> None:
    method = build(replace(vjepa21.DISTILLED_B16, larger=Larger()))
    gigantic = build(vjepa21.VIT_GIGANTIC16)
    shapes = {name: tensor.shape for name, tensor in gigantic.backbone.state_dict().items()}
    assert {name: tensor.shape for name, tensor in method.target.larger.state_dict().items()} == shapes


def test_a_distilled_model_has_no_loss_of_its_own() -> None:
    method = replace(vjepa21.TINY, distilled_from=64).build()
    x = torch.zeros(2, 3, 4, 32, 32)
    with pytest.raises(ValueError, match="a network 64 wide that is not part of this model"):
        method({"x": x}, step_at(0, 1, Rows(0, 2, 2)))


@pytest.mark.parametrize("model", [vjepa.TINY, vjepa2.TINY, vjepa21.TINY], ids=lambda model: model.title)
def test_answers_over_a_sample_do_not_tell_which_clip_it_is(model):
    method = replace(model, target_scale="sample").build()
    answer = method.target(torch.randn(2, 3, 4, 32, 32), method.backbone).values
    torch.testing.assert_close(answer.mean(dim=1), torch.zeros(2, answer.shape[-1]), atol=1e-5, rtol=0)


def test_answers_of_a_larger_network_have_one_scale() -> None:
    model = replace(vjepa21.TINY, distilled_from=96, larger=Larger(dim=96, depth=8, heads=4), target_scale="sample")
    with pytest.raises(ValueError, match="leave target_scale at token"):
        model.build()
