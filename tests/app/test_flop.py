"""Counted operations against what is counted by hand, and against the counter of PyTorch through kernels it knows."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from jepakit.app.flop import DRAWS, flop_per_sample
from jepakit.contracts import Losses, Rows, step_at
from jepakit.family import ijepa
from jepakit.parts.nn import linear
from jepakit.parts.nn.linear import Linear


class OneLayer(nn.Module):
    """A method of a single matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Linear(6, 5)

    def forward(self, batch, step):
        return Losses({"sum": self.layer(batch["x"]).sum()})


def test_a_linear_layer_is_counted_by_hand():
    forward, to_weight = 2 * 6 * 5, 2 * 6 * 5  # the input needs no gradient
    assert flop_per_sample(OneLayer(), torch.randn(3, 6), steps=10) == forward + to_weight


def test_attention_and_fast_layers_of_cpus_are_counted(monkeypatch):
    torch.manual_seed(0)
    method = ijepa.TINY.build()
    x = torch.randn(1, 3, 32, 32)
    counted = flop_per_sample(method, x, steps=10)
    monkeypatch.setattr(linear, "_fits", lambda *given: False)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        for index in range(DRAWS):
            method({"x": x}, step_at(index, 10, Rows(0, 1, 1))).total.backward()
    expected = counter.get_total_flops() / DRAWS
    # The kernels of CPUs compute the attention weights once more on the way back.
    assert expected <= counted <= 1.03 * expected


def test_counting_leaves_no_gradient_behind():
    method = OneLayer()
    flop_per_sample(method, torch.randn(1, 6), steps=10)
    assert method.layer.weight.grad is None


def test_a_frozen_method_has_no_step_to_count():
    with pytest.raises(ValueError, match="is frozen"):
        flop_per_sample(OneLayer().requires_grad_(False), torch.randn(1, 6), steps=10)
