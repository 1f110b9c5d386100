import math

import pytest
import torch
from tiny_engine import Tiny
from torch import nn

from jepakit.train import optimize
from jepakit.train.optimize import AdamW


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask_tokens = nn.Parameter(torch.zeros(4))
        self.linear = nn.Linear(2, 3)
        self.norm = nn.LayerNorm(3)


def test_vectors_and_biases_do_not_decay_but_mask_tokens_do():
    method = Masked()
    groups = optimize.build(AdamW(), method).param_groups
    decaying = {id(parameter) for group in groups if group["decays"] for parameter in group["params"]}
    names = {name for name, parameter in method.named_parameters() if id(parameter) in decaying}
    assert names == {"mask_tokens", "linear.weight"}


def test_frozen_parameters_are_left_alone():
    method = Tiny().build()
    trained = [parameter for group in optimize.build(AdamW(), method).param_groups for parameter in group["params"]]
    assert len(trained) == len([p for p in method.parameters() if p.requires_grad]) < len(list(method.parameters()))


def test_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="no parameter that learns"):
        optimize.build(AdamW(), Masked().requires_grad_(False))


def test_schedules_start_peak_and_end_where_they_say():
    config = AdamW(start=1e-4, peak=2e-3, end=3e-6, warmup=0.2, decay=(0.05, 0.5))
    rates, decays = config.rates(), config.decays()
    assert [rates(0.0), rates(0.2), rates(1.0)] == pytest.approx([1e-4, 2e-3, 3e-6])
    assert [decays(0.0), decays(0.5), decays(1.0)] == pytest.approx([0.05, 0.275, 0.5])


def test_horizon_is_the_beginning_of_a_longer_run_with_the_same_warmup():
    config = AdamW(start=0.0, peak=1.0, end=0.0, warmup=0.1, horizon=1.25)
    rates = config.rates()
    assert rates(0.1) == pytest.approx(1.0)
    along = (1 - 0.1) / (1.25 - 0.1)
    assert rates(1.0) == pytest.approx((1 + math.cos(math.pi * along)) / 2)


def test_a_cooldown_keeps_the_peak_and_really_ends():
    rates = AdamW(start=1e-4, peak=5.25e-4, end=1e-6, warmup=0.05, cooldown=0.05).rates()
    assert [rates(0.0), rates(0.05), rates(0.5), rates(0.95), rates(1.0)] == pytest.approx(
        [1e-4, 5.25e-4, 5.25e-4, 5.25e-4, 1e-6]
    )
    assert rates(0.975) == pytest.approx((5.25e-4 + 1e-6) / 2)


def test_progress_is_set_on_both_groups():
    config = AdamW()
    optimizer = optimize.build(config, Masked())
    rate, decay = optimize.set_progress(optimizer, config, 0.5)
    assert {group["lr"] for group in optimizer.param_groups} == {rate}
    assert sorted(group["weight_decay"] for group in optimizer.param_groups) == [0.0, decay]


def test_an_update_is_adamw_by_hand():
    config = AdamW(start=0.1, peak=0.1, end=0.1, warmup=0.0, decay=(0.5, 0.5))
    method = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        method.weight.fill_(2.0)
    optimizer = optimize.build(config, method)
    optimize.set_progress(optimizer, config, 0.0)
    method.weight.grad = torch.full((1, 1), 3.0)
    optimizer.step()
    # The first step of Adam is the sign of the gradient; decay is 0.1 * 0.5 of the weight.
    assert method.weight.item() == pytest.approx(2.0 * (1 - 0.05) - 0.1, abs=1e-6)


def test_clipping_keeps_the_direction():
    method = nn.Linear(2, 1, bias=False)
    optimizer = optimize.build(AdamW(), method)
    method.weight.grad = torch.tensor([[3.0, 4.0]])
    assert float(optimize.clip(optimizer, 1.0)) == pytest.approx(5.0)
    assert method.weight.grad.flatten().tolist() == pytest.approx([0.6, 0.8], rel=1e-4)


@pytest.mark.parametrize(
    ("numbers", "word"),
    [
        ({"warmup": 1.0}, "warmup"),
        ({"horizon": 0.5}, "horizon"),
        ({"peak": 0.0}, "peak"),
        ({"cooldown": 0.95}, "cooldown"),
        ({"cooldown": 0.1, "horizon": 1.25}, "cooldown"),
        ({"peak": 1e-5, "start": 1e-4}, "start"),
    ],
)
def test_numbers_that_make_no_schedule_are_refused(numbers, word):
    with pytest.raises(ValueError, match=word):
        AdamW(**numbers).validate()
