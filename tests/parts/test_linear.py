"""The linear layer against PyTorch's own, in value, in derivative and where it has to step aside."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from jepakit.parts.nn.linear import Linear, linear


def draw(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(function, *inputs):
    leaves = [None if tensor is None else tensor.clone().requires_grad_() for tensor in inputs]
    out = function(*leaves)
    (out * draw(*out.shape, seed=9, dtype=out.dtype)).sum().backward()
    return out, [leaf.grad for leaf in leaves if leaf is not None]


@pytest.mark.parametrize("shape", [(5, 3), (2, 7, 3), (2, 3, 4, 3), (1, 3), (0, 3)])
@pytest.mark.parametrize("width", [2, 5])
@pytest.mark.parametrize("biased", [True, False])
def test_value_and_gradients_are_those_of_pytorch(shape, width, biased):
    inputs = draw(*shape), draw(width, 3, seed=1), draw(width, seed=2) if biased else None
    ours, our_gradients = gradients(linear, *inputs)
    theirs, their_gradients = gradients(F.linear, *inputs)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for mine, expected in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-5)


def test_transposed_and_sliced_inputs():
    x, weight = draw(6, 8, 4).transpose(0, 1)[:, -3:], draw(4, 10, seed=1).t()[2:]
    torch.testing.assert_close(linear(x, weight), F.linear(x, weight), rtol=1e-5, atol=1e-6)


def test_second_derivatives():
    x, weight = draw(4, 3).requires_grad_(), draw(2, 3, seed=1).requires_grad_()

    def penalty(function):
        (slope,) = torch.autograd.grad(function(x, weight).square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), [x, weight])

    for mine, expected in zip(penalty(linear), penalty(F.linear), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-5)


def test_frozen_inputs_get_no_gradient():
    layer = Linear(3, 2).requires_grad_(False)
    x = draw(5, 3).requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_other_types_and_autocast_are_left_to_pytorch():
    x, weight = draw(5, 3, dtype=torch.float64), draw(2, 3, dtype=torch.float64)
    assert torch.equal(linear(x, weight), F.linear(x, weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear(x.float(), weight.float()).dtype is torch.bfloat16
    assert linear(x.to("meta"), weight.to("meta")).shape == (5, 2)


def test_weights_are_those_of_nn_linear():
    ours, theirs = Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    x = draw(4, 3)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


def test_it_exports():
    layer, x = Linear(3, 2), draw(4, 3)
    program = torch.export.export(layer, (x,))
    assert any(node.target is torch.ops.aten.linear.default for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(x), layer(x), rtol=1e-5, atol=1e-6)


def test_per_sample_gradients_by_vmap():
    x, weight = draw(6, 2, 3), draw(4, 3, seed=1)

    def loss(weight, x):
        return linear(x, weight).square().sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weight, x)
    for sample, mine in zip(x, each, strict=True):
        torch.testing.assert_close(mine, torch.func.grad(loss)(weight, sample), rtol=1e-5, atol=1e-5)
