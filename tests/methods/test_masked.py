"""The masked rule, against the same step written down plainly, and with its seams looked at one by one."""

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain import PlainIJEPA, encoder_weights, predictor_weights
from jepakit.contracts import Rows, step_at
from jepakit.family.ijepa import TINY
from jepakit.parts.nn import linear
from jepakit.tokens import Split

EIGHT = Rows(0, 8, 8)
SIZES = replace(TINY, image=(28, 28), patch=4, channels=1)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return SIZES.build()


@pytest.fixture
def pictures():
    return torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(1))


def gradients(module):
    return {name: parameter.grad for name, parameter in module.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("sdpa", [False, True])
def test_loss_and_gradients_equal_the_plain_step(method, pictures, sdpa):
    """Everything that is shared, skipped or fused must leave the numbers of the step alone."""
    plain = PlainIJEPA(SIZES, method, sdpa)
    for index in range(3):
        method.zero_grad()
        plain.zero_grad()
        ours, theirs = (
            method({"x": pictures}, step_at(index, 10, EIGHT)).total,
            plain.loss(pictures, step_at(index, 10, EIGHT)),
        )
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        ours.backward()
        theirs.backward()
        mine = {
            **{
                f"encoder.{name}": value
                for name, value in encoder_weights(gradients(method.backbone), (1, 4, 4)).items()
            },
            **{f"predictor.{name}": value for name, value in predictor_weights(gradients(method.predictor)).items()},
        }
        expected = gradients(plain)
        assert mine.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(mine[name], gradient, rtol=1e-4, atol=2e-6, msg=name)


def test_padded_masks_give_each_sample_the_energy_it_has_alone(pictures):
    """With "pad" nothing is dropped: the energy of a sample does not depend on its neighbors in the batch."""
    torch.manual_seed(0)
    method = replace(SIZES, rectangular="pad").build().eval()
    answers = method.target(pictures, method.backbone)
    (split,) = method._ask(answers, torch.Generator().manual_seed(0), EIGHT)
    assert (split.context < 0).any(), "the test says nothing without padding"
    together = method._at_places(method._fill_in(pictures, answers, [split]))
    for sample in range(8):
        one = slice(sample, sample + 1)
        context = split.context[one][split.context[one] >= 0].unsqueeze(0)
        filled = method._fill_in(
            pictures[one],
            replace(answers, values=answers.values[one], coords=answers.coords[one]),
            [replace(split, context=context, targets=split.targets[one])],
        )
        alone = method._at_places(filled)
        torch.testing.assert_close(together[one], alone, rtol=1e-4, atol=1e-6)


def test_micro_batches_add_up_to_the_whole(method, pictures):
    whole = method({"x": pictures}, step_at(2, 10, EIGHT)).total
    parts = [
        method({"x": pictures[rows]}, step_at(2, 10, Rows(rows.start, 4, 8))).total
        for rows in (slice(0, 4), slice(4, 8))
    ]
    torch.testing.assert_close(whole, (parts[0] + parts[1]) / 2, rtol=1e-5, atol=1e-6)


def test_what_is_kept_is_the_average_where_there_is_one(method):
    assert method.kept is method.target.network
    shared = replace(SIZES, target="stop_gradient").build()
    assert shared.kept is shared.backbone


def test_pixels_as_target_are_predicted_in_pixels(pictures):
    method = replace(SIZES, target="pixels").build()
    assert method.predictor.projection.out_features == 16
    method({"x": pictures}, step_at(0, 10, EIGHT)).total.backward()


def test_energy_is_lower_for_the_picture_that_fits():
    """After learning on eight wallpapers, the picture itself is a better answer than another picture."""
    torch.manual_seed(0)
    method = replace(SIZES, initialization="fan_in").build()
    pictures = 2 * torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)).repeat(1, 1, 7, 7)
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=3e-3)
    for index in range(30):
        optimizer.zero_grad()
        method({"x": pictures}, step_at(index, 1000, EIGHT)).total.backward()
        optimizer.step()
    with torch.no_grad():
        own = method.energy(pictures, pictures)
        other = method.energy(pictures, pictures.roll(1, dims=0))
    assert own.shape == (8,)
    assert own.mean() < 0.6 * other.mean()


def test_there_is_no_latent(method, pictures):
    with pytest.raises(ValueError, match="no latent variable"):
        method.energy(pictures, pictures, z=torch.zeros(1))


def test_flops_are_those_that_pytorch_counts_where_it_can(monkeypatch):
    """All but the input gradient of the first layer, which nobody needs; PyTorch cannot count oneDNN's products."""
    monkeypatch.setattr(linear, "_fits", lambda x, weight: False)
    method = TINY.build()
    x = torch.randn(2, 3, 32, 32)
    split = Split(torch.arange(4).expand(2, -1), torch.arange(4, 12).view(1, 2, 4).expand(2, -1, -1))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        method._at_places(method._fill_in(x, method.target(x, method.backbone), [split])).mean().backward()
    counted = counter.get_total_flops()
    assert 0.95 * 2 * method.flops(16, [split]) < counted <= 2 * method.flops(16, [split])
