"""Targets: who answers, what follows a step, and that nothing is learnt through the answer."""

import copy

import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.position import SinCos
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.targets import (
    DistilledTarget,
    EMATarget,
    FrozenTarget,
    PixelTarget,
    SharedTarget,
    TrainedTarget,
    make_target,
)
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.schedules import linear


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Backbone(PatchTokenizer((4, 4), 1, 8), SinCos(8, (2, 2)), Transformer(8, 1, 2))


def picture():
    return torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def moment(index, steps=5):
    return step_at(index, steps, Rows(0, 3, 3))


def test_answers_have_mean_zero_and_variance_one(network):
    for target in (EMATarget(network, linear(0.9, 1.0)), SharedTarget(), PixelTarget(network.tokenizer)):
        values = target(picture(), network).values
        torch.testing.assert_close(values.mean(dim=-1), torch.zeros(3, 4), atol=1e-5, rtol=0)
        torch.testing.assert_close(values.var(dim=-1, unbiased=False), torch.ones(3, 4), atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", ["ema", "shared"])
def test_over_a_sample_what_its_tokens_share_is_not_asked_for(network, name):
    answer = make_target(name, network, linear(0.9, 1.0), "sample")(picture(), network).values
    torch.testing.assert_close(answer.mean(dim=1), torch.zeros(3, 8), atol=1e-5, rtol=0)
    torch.testing.assert_close(answer.var(dim=1, unbiased=False), torch.ones(3, 8), atol=1e-2, rtol=0)


def test_pixels_have_no_other_scale(network):
    with pytest.raises(ValueError, match="pixels are normalized patch by patch"):
        make_target("pixels", network, linear(0.9, 1.0), "sample")


def test_average_is_a_copy_that_follows_its_closed_form(network):
    target = EMATarget(network, linear(0.5, 1.0))
    start = [parameter.clone() for parameter in network.parameters()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    for index in range(5):
        target.after_step(network, moment(index))
    left = 0.5 * 0.625 * 0.75 * 0.875 * 1.0
    for average, first in zip(target.network.parameters(), start, strict=True):
        torch.testing.assert_close(average, first + (1 - left))


def test_at_the_end_the_average_stands_still(network):
    target = EMATarget(network, linear(0.5, 1.0))
    before = [parameter.clone() for parameter in target.network.parameters()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3.0)
    target.after_step(network, moment(4))
    assert all(torch.equal(*pair) for pair in zip(before, target.network.parameters(), strict=True))


def test_gradients_enter_only_an_open_target(network):
    for target, open_ in (
        (EMATarget(network, linear(0.9, 1.0)), False),
        (SharedTarget(stop_gradient=True), False),
        (SharedTarget(stop_gradient=False), True),
        (PixelTarget(network.tokenizer), False),
    ):
        assert target(picture(), network).values.requires_grad == open_


def test_pixels_answer_with_the_pixels_of_their_patch(network):
    x = picture()
    answer = PixelTarget(network.tokenizer)(x, network).values[1, 3]
    patch = x[1, 0, 4:, 4:].flatten()
    expected = (patch - patch.mean()) / (patch.var(unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(answer, expected)


def test_who_is_kept(network):
    average = EMATarget(network, linear(0.9, 1.0))
    assert average.kept(network) is average.network
    assert SharedTarget().kept(network) is network
    assert PixelTarget(network.tokenizer).kept(network) is network
    frozen = FrozenTarget(copy.deepcopy(network))
    assert frozen.kept(network) is network, "what learns is kept"
    assert frozen.kept(torch.nn.Identity()) is frozen.network, "nothing learns to see"
    assert not list(PixelTarget(network.tokenizer).parameters())


@pytest.mark.parametrize(
    ("name", "kind", "open_"),
    [("ema", EMATarget, False), ("stop_gradient", SharedTarget, False), ("shared", SharedTarget, True),
     ("pixels", PixelTarget, False)],
)  # fmt: skip
def test_a_config_names_its_target(network, name, kind, open_):
    target = make_target(name, network, linear(0.9, 1.0))
    assert type(target) is kind
    assert target(picture(), network).values.requires_grad == open_


def test_a_frozen_target_is_the_network_that_was_given_for_it(network):
    answering = copy.deepcopy(network)
    target = make_target("frozen", network, linear(0.9, 1.0), "sample", answering)
    assert type(target) is TrainedTarget
    assert target.network is answering
    target.trust()
    answer = target(picture(), network).values
    torch.testing.assert_close(answer.mean(dim=1), torch.zeros(3, 8), atol=1e-5, rtol=0)
    for name, given in (("frozen", None), ("ema", answering)):
        with pytest.raises(ValueError, match="goes with the target frozen"):
            make_target(name, network, linear(0.9, 1.0), frozen=given)


@pytest.fixture
def distilled(network):
    larger = Backbone(PatchTokenizer((4, 4), 1, 12), SinCos(12, (2, 2)), Transformer(12, 2, 2))
    return DistilledTarget(network, linear(0.5, 1.0), larger)


def test_a_larger_network_answers_once_it_has_weights(network, distilled):
    with pytest.raises(ValueError, match=r"has no weights yet; name them, --model\.larger\.source"):
        distilled(picture(), network)
    distilled.trust()
    answer = distilled(picture(), network).values
    expected = distilled.larger(picture()).values
    torch.testing.assert_close(answer, torch.nn.functional.layer_norm(expected, (12,)))
    assert not answer.requires_grad
    assert not any(parameter.requires_grad for parameter in distilled.parameters())


def test_the_average_of_the_small_network_is_kept_and_the_larger_one_stands_still(network, distilled):
    before = {name: tensor.clone() for name, tensor in distilled.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    distilled.after_step(network, moment(0))
    for name, tensor in distilled.state_dict().items():
        expected = before[name] + 0.5 if name.startswith("network.") else before[name]
        torch.testing.assert_close(tensor, expected)
    assert distilled.kept(network) is distilled.network


def test_weights_of_the_larger_network_travel_with_the_word_that_they_are_there(network, distilled):
    other = DistilledTarget(network, linear(0.5, 1.0), copy.deepcopy(distilled.larger))
    distilled.trust()
    other.load_state_dict(distilled.state_dict())
    assert torch.equal(other(picture(), network).values, distilled(picture(), network).values)


def test_an_answer_costs_what_the_network_that_gives_it_costs(network, distilled):
    forward = network.flops(4)
    assert EMATarget(network, linear(0.9, 1.0)).flops(4, forward) == forward
    assert SharedTarget(stop_gradient=False).flops(4, forward) == 3 * forward
    assert PixelTarget(network.tokenizer).flops(4, forward) == 0
    assert distilled.flops(4, forward) == distilled.larger.flops(4) > forward


def test_pixels_answer_up_to_mean_and_contrast_or_as_they_are(network):
    plain = PixelTarget(network.tokenizer, normalize=False)(picture(), network).values
    assert torch.equal(plain, network.tokenizer.cut(picture()).values)
    answer = PixelTarget(network.tokenizer)(picture(), network).values
    torch.testing.assert_close(answer, torch.nn.functional.layer_norm(plain, plain.shape[-1:]))
