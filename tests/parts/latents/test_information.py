"""What is called information is what textbooks call so."""

import math

import pytest
import torch
from torch.distributions import Categorical, Normal, kl_divergence

from jepakit.parts.latents.information import (
    categorical_divergence,
    code_length,
    gaussian_divergence,
    in_bits,
    usage_entropy,
)


def test_divergences_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    posterior, prior = torch.randn(2, 6, 5, generator=generator)
    torch.testing.assert_close(
        categorical_divergence(posterior, prior),
        kl_divergence(Categorical(logits=posterior), Categorical(logits=prior)),
    )
    mean, log_std = torch.randn(2, 6, 3, generator=generator)
    expected = kl_divergence(Normal(mean, log_std.exp()), Normal(torch.zeros(3), torch.ones(3))).sum(dim=1)
    torch.testing.assert_close(gaussian_divergence(mean, log_std), expected)


def test_a_code_among_eight_that_are_equally_likely_takes_three_bits():
    index = torch.arange(8)
    assert in_bits(code_length(index, torch.zeros(8, 8))).item() == pytest.approx(3.0)
    assert (usage_entropy(index, 8) / math.log(2)).item() == pytest.approx(3.0)
    assert usage_entropy(torch.zeros(10, dtype=torch.int64), 8).item() == 0.0


def test_a_wrong_prior_never_makes_messages_shorter():
    index = torch.randint(0, 4, (500,), generator=torch.Generator().manual_seed(0))
    for seed in range(5):
        prior = torch.randn(4, generator=torch.Generator().manual_seed(seed)).expand(500, -1)
        assert code_length(index, prior).mean() >= usage_entropy(index, 4) - 1e-6
