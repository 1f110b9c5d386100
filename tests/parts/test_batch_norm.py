"""Batch normalization agrees with PyTorch's, in training and after."""

import pytest
import torch
from torch import nn

from jepakit.parts.nn.batch_norm import BatchNorm


@pytest.mark.parametrize("affine", [True, False])
def test_it_is_that_of_pytorch(affine):
    torch.manual_seed(0)
    ours, theirs = BatchNorm(6, affine), nn.BatchNorm1d(6, affine=affine)
    for _ in range(3):
        x = 3 + 2 * torch.randn(16, 6)
        first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
        found, expected = ours(first), theirs(second)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        found.square().sum().backward()
        expected.square().sum().backward()
        torch.testing.assert_close(first.grad, second.grad, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_variance, theirs.running_var)
    x = torch.randn(1, 6)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), atol=1e-5, rtol=1e-5)
