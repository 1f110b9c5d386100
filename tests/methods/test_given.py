"""Any regularizer goes with any task: what each is given, and that its gradient reaches what learns."""

import math
from dataclasses import replace

import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.family import ijepa, lejepa, lvjepa, pldm, vjepa, vjepa2, vjepa21
from jepakit.methods.given import beside, spread
from jepakit.methods.rollout import Penalty
from jepakit.parts.nn.position import grid
from jepakit.parts.regularizers.contrastive import InfoNCE, MarginHinge, PairedInfoNCE
from jepakit.parts.regularizers.entropy import MeanEntropy
from jepakit.parts.regularizers.moments import CrossCorrelation, VarianceCovariance
from jepakit.parts.regularizers.normality import AndersonDarling
from jepakit.parts.regularizers.sigreg import SIGReg, Sliced
from jepakit.parts.regularizers.visreg import VISReg
from jepakit.tokens import Tokens

EIGHT = Rows(0, 8, 8)
RULES = {
    "SIGReg": lambda: SIGReg(32),
    "SIGReg over all": lambda: SIGReg(32, over="all"),
    "Sliced": lambda: Sliced(AndersonDarling(), 32),
    "VISReg": lambda: VISReg(32),
    "VarianceCovariance": VarianceCovariance,
    "MeanEntropy": MeanEntropy,
    "CrossCorrelation": CrossCorrelation,
    "InfoNCE": InfoNCE,
    "PairedInfoNCE": PairedInfoNCE,
    "MarginHinge": MarginHinge,
}
MASKS = {
    "masks of pictures": replace(ijepa.TINY, target="shared"),
    "masks of clips": replace(vjepa.TINY, target="shared"),
    "masks of clips, rotary": replace(vjepa2.TINY, target="shared"),
    "masks, and an average": vjepa.TINY,
    "masks, several levels": vjepa21.TINY,
}
NEXT = {"next step": replace(lvjepa.TINY, latent="none"), "next step, a latent": lvjepa.TINY,
        "next step, an average": replace(lvjepa.TINY, target="ema")}  # fmt: skip


def noise(*shape):
    return torch.randn(8, *shape, generator=torch.Generator().manual_seed(2))


def with_rule(task, rule):
    """The method of a task with this regularizer, which alone counts, and a batch for it."""
    torch.manual_seed(0)
    if task == "action":
        method = pldm.TINY.build()
        method.penalties = {"regularizer": Penalty(1.0, rule)}
        channels, frames, *side = pldm.TINY.samples[0]
        batch = {"x": noise(channels, frames, *side), "actions": noise(frames - 1, pldm.TINY.action)}
        return method, {**batch, "proprio": noise(frames, pldm.TINY.proprio)} if pldm.TINY.proprio else batch
    if task == "views":
        method = lejepa.TINY.build()
        method = type(method)(method.network, method.target, method.compare, None, rule)
        return method, {"x": noise(3, 32, 32), "globals": noise(1, 3, 32, 32), "locals": noise(2, 3, 16, 16)}
    model = {**MASKS, **NEXT}[task]
    method = model.build()
    method.regularizer, method.weight = rule, 1.0
    if task in MASKS:
        method.given = None
    return method, {"x": noise(*model.samples[0])}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("task", [*MASKS, *NEXT, "views", "action"])
def test_any_regularizer_goes_with_any_task(task, name):
    method, batch = with_rule(task, RULES[name]())
    term = method(batch, step_at(0, 10, EIGHT)).terms["regularizer"]
    assert term.shape == ()
    assert term.isfinite()
    term.backward()
    pulled = [p.grad.abs().sum() for p in method.backbone.parameters() if p.grad is not None]
    assert torch.stack(pulled).isfinite().all()
    assert sum(pulled) > 0, "nothing is kept from collapsing"


def test_one_that_compares_is_given_the_prediction_beside_the_answer():
    method, batch = with_rule("masks of clips", InfoNCE())
    seen = []
    method.regularizer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    said = []
    method.predictor.register_forward_hook(lambda module, inputs, output: said.append(output.places.values.mean(dim=1)))
    method(batch, step_at(0, 10, EIGHT))
    assert len(seen) == len(said) == 2, "one for each masker"
    for pair, guess in zip(seen, said, strict=True):
        torch.testing.assert_close(pair[0], guess)
    step = step_at(0, 10, EIGHT)
    answers = method.target(batch["x"], method.backbone)
    splits = method._ask(answers, step.shared, EIGHT)
    torch.testing.assert_close(seen[1][1], answers.take(splits[1].targets.flatten(1)).pooled())


def test_only_tokens_that_count_are_in_a_pair():
    values, coords = torch.arange(12.0).view(1, 4, 3), torch.zeros(1, 4, 1)
    padded = Tokens(values, coords, torch.tensor([[True, False, True, False]]))
    torch.testing.assert_close(beside(Tokens(values, coords), padded)[0], padded.pooled())


def test_steps_are_the_means_of_what_is_shown_of_each():
    coords = grid((3, 2, 2), torch.device("cpu")).expand(5, -1, -1)
    tokens = Tokens(torch.randn(5, 12, 7), coords, None, (3, 2, 2))
    shown = tokens.take(torch.tensor([0, 2, 4, 8, 9, 11]).expand(5, -1))
    expected = [tokens.values[:, index].mean(dim=1) for index in ([0, 2], [4], [8, 9, 11])]
    torch.testing.assert_close(spread(shown, in_time=True), torch.stack(expected))
    first = tokens.take(torch.arange(4).expand(5, -1))
    assert spread(first, in_time=True).shape == (1, 5, 7), "steps that nobody shows are left out"
    torch.testing.assert_close(spread(shown, in_time=False), shown.values.transpose(0, 1))


@pytest.mark.parametrize("on", ["means", "steps", "tokens"])
@pytest.mark.parametrize("over", ["samples", "views", "all"])
@pytest.mark.parametrize("member", [vjepa, vjepa2])
def test_sigreg_acts_within_and_across_the_samples_of_masked_clips(member, on, over):
    torch.manual_seed(0)
    model = replace(member.TINY, target="shared", sigreg=0.1, sigreg_on=on, sigreg_over=over)
    method, x = model.build(), noise(*model.samples[0])
    assert method.regularizer.over == over
    seen = []
    method.regularizer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    term = method({"x": x}, step_at(0, 10, EIGHT)).terms["regularizer"]
    assert [len(each) for each in seen][:1] == [2] if on != "tokens" else len(seen[0]) > 2
    step = after_masks(method, model.extent)
    expected = torch.stack([SIGReg(1024, over=over)(each, step) for each in seen]).mean()
    assert math.isclose(term.item(), 0.1 * expected.item(), rel_tol=1e-4)


def after_masks(method, extent):
    """A step whose masks were drawn, so that directions come next."""
    step, coords = step_at(0, 10, EIGHT), grid(extent, torch.device("cpu"))
    for masker in method.maskers:
        masker(coords.expand(8, -1, -1), extent, step.shared, EIGHT)
    return step


def test_pictures_have_tokens_and_no_steps():
    model = replace(ijepa.TINY, target="shared", sigreg=0.1, sigreg_on="tokens", sigreg_over="views")
    x = noise(*model.samples[0])
    assert model.build()({"x": x}, step_at(0, 10, EIGHT)).terms["regularizer"].isfinite()
    method = replace(model, sigreg_on="means").build()
    with pytest.raises(ValueError, match="has no distribution over views"):
        method({"x": x}, step_at(0, 10, EIGHT))
    method.given = "steps"
    with pytest.raises(ValueError, match="pictures have no time steps"):
        method({"x": x}, step_at(0, 10, EIGHT))


def test_contexts_that_show_other_steps_or_counts_have_no_places_in_common():
    coords = grid((2, 1, 2), torch.device("cpu")).expand(2, -1, -1)
    tokens = Tokens(torch.randn(2, 4, 3), coords, None, (2, 1, 2))
    with pytest.raises(ValueError, match="show different time steps"):
        spread(tokens.take(torch.tensor([[0, 1], [2, 3]])), in_time=True)
    with pytest.raises(ValueError, match="different numbers of tokens"):
        spread(tokens.take(torch.tensor([[0, 1], [2, -1]])), in_time=False)


def test_what_is_said_of_a_sigreg_that_weighs_nothing_is_refused():
    for said in ({"sigreg_on": "tokens"}, {"sigreg_over": "all"}):
        for model in (ijepa.TINY, vjepa.TINY, vjepa2.TINY):
            with pytest.raises(ValueError, match="set sigreg above 0"):
                replace(model, **said).build()


def test_sigreg_stands_in_the_place_of_moments_in_a_latent_variable_jepa():
    model = replace(lvjepa.TINY, sigreg=0.5, variance=0.0, covariance=0.0, sigreg_over="all")
    method = model.build()
    assert isinstance(method.regularizer, SIGReg)
    assert (method.regularizer.over, method.weight) == ("all", 0.5)
    assert method({"x": noise(*model.samples[0])}, step_at(0, 10, EIGHT)).terms["regularizer"] > 0
    with pytest.raises(ValueError, match="set variance and covariance to 0"):
        replace(model, variance=1.0).build()


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("MeanEntropy", "SIGReg over all")])
def test_a_sample_alone_is_a_sentence(name):
    with pytest.raises(ValueError, match="2 or more"):
        RULES[name]()(torch.randn(2, 1, 6), step_at(0, 10, Rows(0, 1, 1)))


def test_a_prediction_and_its_answer_are_two():
    with pytest.raises(ValueError, match=r"takes \[prediction, answer\], and got 3 views"):
        PairedInfoNCE()(torch.randn(3, 4, 6), step_at(0, 10, Rows(0, 4, 4)))


def test_lejepa_does_not_learn_from_a_picture_alone():
    with pytest.raises(ValueError, match="choose a --batch of 2 or more"):
        lejepa.TINY.build()(
            {"x": noise(3, 32, 32)[:1], "globals": noise(1, 3, 32, 32)[:1]}, step_at(0, 2, Rows(0, 1, 1))
        )
