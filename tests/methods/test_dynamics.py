"""The rule of what comes next: past and future stay apart, and the least energy over z is the least one there is."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from jepakit.contracts import Method, Rows, step_at
from jepakit.family.lvjepa import TINY
from jepakit.methods.dynamics import DynamicsJEPA
from jepakit.parts.energies import l2
from jepakit.parts.latents.discrete import Codebook, SearchedCodes
from jepakit.parts.nn import linear
from jepakit.parts.nn.backbone import Backbone
from jepakit.parts.nn.position import Rotary
from jepakit.parts.nn.transformer import Transformer
from jepakit.parts.predictors.conditions import ConditionedPredictor
from jepakit.parts.predictors.mask_token import MaskTokenPredictor
from jepakit.parts.targets import EMATarget
from jepakit.parts.tokenizers.patches import PatchTokenizer
from jepakit.schedules import constant

EIGHT = Rows(0, 8, 8)
LATENTS = ("searched", "categorical", "quantized", "gaussian", "sparse")


@pytest.fixture
def clips():
    return torch.randn(8, *TINY.samples[0], generator=torch.Generator().manual_seed(1))


def build(**changes):
    torch.manual_seed(0)
    return replace(TINY, **changes).build()


@pytest.mark.parametrize("latent", ["none", *LATENTS])
def test_every_latent_makes_a_method_that_learns(latent, clips):
    method = build(latent=latent)
    assert isinstance(method, Method)
    losses = method({"x": clips}, step_at(0, 10, EIGHT))
    losses.total.backward()
    silent = {
        name for name, parameter in method.named_parameters() if parameter.requires_grad and parameter.grad is None
    }
    assert not silent
    assert ("z_bits" in losses.metrics) == (latent != "none")


@pytest.mark.parametrize("latent", ["searched", "categorical", "quantized"])
def test_energy_is_the_least_one_over_all_codes(latent, clips):
    method = build(latent=latent).eval()
    with torch.no_grad():
        found = method.energy(clips, clips)
        each = [method.energy(clips, clips, code.expand(8, -1)) for code in method.latent.book.vectors]
    torch.testing.assert_close(found, torch.stack(each).amin(dim=0), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("latent", ["gaussian", "sparse"])
def test_gradient_on_z_finds_less_energy_than_the_reader_alone(latent, clips):
    method = build(latent=latent, price=0.0).eval()
    past, future = method.divide(clips)
    context = method.network(past)
    answer = method.answer(future, context)
    first = method.latent.infer(context, answer, method.energy_of(context, answer), step_at(0, 10, EIGHT)).z
    assert (method.energy(clips, clips) < method.energy(clips, clips, first)).all()


def test_the_future_changes_no_prediction_bit_for_bit(clips):
    """With z held fixed, what is imagined is a function of the past."""
    method = build().eval()
    past, future = method.divide(clips)
    context, z = method.network(past), torch.randn(8, 1, TINY.z_dim)
    first, other = (method.imagine(context, method.answer(seen, context), z) for seen in (future, future + 100))
    assert torch.equal(first.values, other.values)


def test_the_past_is_encoded_without_sight_of_the_future(clips):
    method = build(latent="none")
    later = clips.clone()
    later[:, :, TINY.frames // 2 :] += 100
    first, other = (method.network(method.divide(x)[0]) for x in (clips, later))
    assert torch.equal(first.values, other.values)
    method.eval()
    mixed = method.energy(clips, later)
    later[:, :, : TINY.frames // 2] += 100
    assert torch.equal(mixed, method.energy(clips, later)), "of y only the future is looked at"
    assert torch.equal(mixed, method.energy(clips[:, :, : TINY.frames // 2], later)), "and of x only the past"


def test_what_is_imagined_lies_behind_what_was_seen(clips):
    method = build(latent="none")
    past, future = method.divide(clips)
    context = method.network(past)
    imagined = method.imagine(context, method.answer(future, context))
    assert context.coords[..., 0].max() == 0
    assert imagined.coords[..., 0].unique().tolist() == [1.0]


def test_z_changes_what_is_imagined(clips):
    method = build()
    past, future = method.divide(clips)
    context = method.network(past)
    answer = method.answer(future, context)
    first, other = (method.imagine(context, answer, torch.full((8, 1, TINY.z_dim), z)) for z in (-1.0, 1.0))
    assert (first.values - other.values).abs().mean() > 1e-3


@pytest.mark.parametrize("latent", ["searched", "gaussian"])
def test_micro_batches_add_up_to_the_whole(latent, clips):
    method = build(latent=latent, variance=0.0, covariance=0.0).eval()  # statistics are those of the rows held
    whole = method({"x": clips}, step_at(2, 10, EIGHT)).total
    parts = [method({"x": clips[first : first + 4]}, step_at(2, 10, Rows(first, 4, 8))).total for first in (0, 4)]
    torch.testing.assert_close(whole, (parts[0] + parts[1]) / 2, rtol=1e-5, atol=1e-6)


def test_a_z_that_tells_the_answer_makes_good_for_a_wrong_past_and_one_that_cannot_does_not(clips):
    """Predictors that read z alone, and the past alone: the meter tells them apart."""
    method = build(latent="gaussian", price=0.0, z_dim=TINY.summary).eval()
    method.latent.steps, method.latent.rate = 200, 0.1
    past, future = method.divide(clips)
    with torch.no_grad():
        context = method.network(past)
        answer = method.answer(future, context)
    method.imagine = lambda context, answer, condition: answer.with_values(condition)
    assert method.neglect(context, answer) > 0.99
    method.imagine = lambda context, answer, condition: answer.with_values(context.values + 0 * condition)
    assert method.neglect(context, answer).abs() < 1e-6
    method.imagine = lambda context, answer, condition: answer.with_values(answer.values + 0 * condition)
    assert method.neglect(context, answer) == 0, "all is right under any z: there is nothing to make good"
    with pytest.raises(ValueError, match="two samples or more"):
        build(latent="none").neglect(context, answer)


class Spy(nn.Module):
    """A regularizer that remembers what it was shown."""

    def forward(self, embeddings, step):
        self.shape = embeddings.shape
        return embeddings.mean()


@pytest.mark.parametrize(("target", "views"), [("shared", 2), ("stop_gradient", 1), ("ema", 1)])
def test_a_regularizer_sees_the_past_and_the_future_where_it_can_change_it(clips, target, views):
    method = build(latent="none", target=target)
    method.regularizer, method.weight = Spy(), 0.5
    losses = method({"x": clips}, step_at(0, 10, EIGHT))
    assert method.regularizer.shape == (views, 8, TINY.summary)
    assert losses.terms["regularizer"].isfinite()


def test_tokens_of_a_backbone_are_predicted_one_by_one(clips):
    """Without a head, every token of the future is imagined at its own place, under one condition for all."""
    torch.manual_seed(0)
    config = replace(TINY, latent="searched")
    tokenizer = PatchTokenizer(config.cell, 3, 48)
    backbone = Backbone(tokenizer, Rotary(12), Transformer(48, 2, 4))
    inner = MaskTokenPredictor(48, Rotary(8), Transformer(32, 2, 4), 32, 48)
    latent = SearchedCodes(Codebook(4, 6, 48), 0.0)
    target = EMATarget(backbone, constant(0.9))
    method = DynamicsJEPA(backbone, ConditionedPredictor(inner, 48, 6), target, l2, 2, latent)
    assert method.kept is method.target.network
    past, future = method.divide(clips)
    context = method.network(past)
    imagined = method.imagine(context, method.answer(future, context), torch.zeros(8, 1, 6))
    assert imagined.values.shape == (8, 16, 48)
    assert imagined.coords[..., 0].unique().tolist() == [1.0]
    assert method.energy(clips, clips).shape == (8,)
    method({"x": clips}, step_at(0, 10, EIGHT)).total.backward()


@pytest.mark.parametrize("latent", ["none", "searched", "gaussian"])
def test_flops_are_those_that_pytorch_counts(latent, clips, monkeypatch):
    """All but the input gradient of the first layer, which nobody needs; the prior of codes is not counted."""
    monkeypatch.setattr(linear, "_fits", lambda x, weight: False)
    method = build(latent=latent)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        losses = method({"x": clips}, step_at(0, 10, EIGHT))
        losses.total.backward()
    unneeded = 8 * method.backbone.tokenizer.flops(16)
    said = 1e9 * losses.metrics["gflops"].item() - unneeded
    assert said == pytest.approx(counter.get_total_flops(), rel=0.05)


def test_bad_use_gets_one_sentence(clips):
    with pytest.raises(ValueError, match="needs more than that"):
        build().divide(clips[:, :, :2])
    with pytest.raises(ValueError, match="summary of 16 tokens"):
        build().energy(clips[..., :24], clips[..., :24])
    with pytest.raises(ValueError, match="no latent variable"):
        build(latent="none").energy(clips, clips, torch.zeros(8, 1))
    with pytest.raises(ValueError, match="multiple of 4"):
        build(frames=6)
    method = build()
    context = method.network(method.divide(clips)[0])
    with pytest.raises(ValueError, match="needs a condition"):
        method.imagine(context, method.answer(method.divide(clips)[1], context))
    with pytest.raises(ValueError, match="one needs the other"):
        DynamicsJEPA(method.network, method.predictor, method.target, method.compare, 2)
