"""data2vec from pictures to its loss, by the formula of the paper."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from jepakit.contracts import Rows, step_at
from jepakit.rivals.data2vec import TINY, VIT_B16, Data2Vec
from jepakit.tokens import Places


def now():
    """A step whose generators are fresh."""
    return step_at(0, 10, Rows(0, 6, 6))


@torch.no_grad()
def test_loss_is_that_of_the_paper():
    torch.manual_seed(0)
    method, x = TINY.build(), torch.randn(6, 3, 32, 32)
    levels = [F.layer_norm(method.backbone(x, layers=(level,)).values, (48,)) for level in (0, 1)]
    answers = torch.stack(levels).mean(dim=0).numpy()
    tokens = method.backbone(x)
    hidden = method.maskers[0](tokens.coords, tokens.extent, now().shared, now().rows).targets[:, 0]
    assert hidden.shape == (6, 10), "0.6 of 16 patches"
    filled = method.predictor.projection(method.backbone(x, hide=hidden).values).numpy()
    error = np.abs(np.stack([(filled[row] - answers[row])[hidden[row].numpy()] for row in range(6)]))
    loss = np.where(error < 2, error**2 / 4, error - 1).mean()
    assert method({"x": x}, now()).total.item() == pytest.approx(loss, rel=1e-4)


def test_operations_are_those_of_all_patches():
    method, x = TINY.build(), torch.randn(6, 3, 32, 32)
    own = method.backbone.flops(16)
    expected = 3 * (own + 2 * 48 * 48 * 10) + own
    assert method({"x": x}, now()).metrics["gflops"].item() == pytest.approx(6 * expected / 1e9)


def test_the_published_one_averages_six_levels_and_hides_most():
    assert (VIT_B16.levels, VIT_B16.beta, VIT_B16.network.dim) == (6, 2.0, 768)
    with torch.device("meta"):
        target = VIT_B16.build().target
    assert target.levels == (-6, -5, -4, -3, -2, -1)


def test_what_cannot_be_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="depth - levels"):
        Data2Vec(levels=13).build()
    method = TINY.build()
    tokens = method.backbone(torch.randn(1, 3, 32, 32), keep=torch.tensor([[0, 1]]))
    with pytest.raises(ValueError, match="hides=True"):
        method.predictor(tokens, Places(tokens.coords.unsqueeze(1)))
