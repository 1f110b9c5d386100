"""iBOT and MSN from pictures to their losses, by the formulas of the papers."""

import numpy as np
import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.methods.masked_views import ask
from jepakit.parts.regularizers.entropy import MeanEntropy
from jepakit.rivals.ibot import TINY as IBOT
from jepakit.rivals.msn import TINY as MSN


def now():
    """A step whose generators are fresh."""
    return step_at(0, 10, Rows(0, 6, 6))


@pytest.fixture
def views():
    torch.manual_seed(0)
    return torch.randn(2, 6, 3, 32, 32), torch.randn(6, 3, 16, 16)


def batch_of(views):
    large, small = views
    return {"x": large[0], "globals": large[1].unsqueeze(1), "locals": small.unsqueeze(1)}


def choose(scores, temperature):
    raised = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    return raised / raised.sum(axis=-1, keepdims=True)


def cross(answers, guesses):
    return -(answers * np.log(choose(guesses, 0.1))).sum(axis=-1)


def score(method, embeddings):
    return method.network.head(embeddings).double().numpy()


def scores_of(method, tokens):
    """Of a view and of each of its patches."""
    return score(method, tokens.pooled()), score(method, tokens.values)


@torch.no_grad()
def test_ibot_asks_about_views_and_about_what_each_hides(views):
    large, small = views
    method, step = IBOT.build(), now()
    method.target.centers.copy_(0.1 * torch.randn(2, 32))
    whole, patch = method.target.centers.double().numpy().copy()
    answers = [scores_of(method, method.backbone(view)) for view in large]
    hidden = [ask(method.masker, method.network, view, step).targets[:, 0] for view in large]
    seen = [scores_of(method, method.backbone(v, hide=h)) for v, h in zip(large, hidden, strict=True)]
    guesses = [seen[0][0], seen[1][0], scores_of(method, method.backbone(small))[0]]
    pairs = [(0, 1), (1, 0), (0, 2), (1, 2)]
    of_views = np.mean([cross(choose(answers[j][0] - whole, 0.04), guesses[i]).mean() for j, i in pairs])
    of_patches, counts = [], []
    for view in range(2):
        each = cross(choose(answers[view][1] - patch, 0.04), seen[view][1])
        for sample, index in enumerate(hidden[view]):
            places = index[index >= 0].tolist()
            counts.append(len(places))
            of_patches.append(each[sample, places].mean() if places else 0.0)
    assert min(counts) == 0 < max(counts), "some samples hide nothing, and some do"
    terms = method(batch_of(views), now()).terms
    assert terms["views"].item() == pytest.approx(of_views, rel=1e-4)
    assert terms["patches"].item() == pytest.approx(np.mean(of_patches), rel=1e-4)
    method.after_step(step)
    moved = 0.5 * patch + 0.5 * np.concatenate([answer[1] for answer in answers]).mean(axis=(0, 1))
    np.testing.assert_allclose(method.target.centers[1].numpy(), moved, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_ibot_does_not_read_what_is_hidden(views):
    method, (large, _) = IBOT.build(), views
    hide = torch.tensor([[0, 5, -1]] * 6)
    pixels = torch.zeros(4, 4)
    pixels[0, 0] = pixels[1, 1] = 100
    other = large[0] + pixels.repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert torch.equal(method.backbone(large[0], hide=hide).values, method.backbone(other, hide=hide).values)
    with pytest.raises(ValueError, match="no token to hide"):
        MSN.build().backbone(large[0], hide=hide)


@torch.no_grad()
def test_msn_is_cross_entropy_and_the_entropy_of_the_mean_choice(views):
    large, small = views
    method, step = MSN.build().eval(), now()
    keep = [ask(method.masker, method.network, view, step).context for view in large]
    assert keep[0].shape == (6, 14), "0.85 of 16 patches"
    seen = [method.backbone(v, keep=k) for v, k in zip(large, keep, strict=True)]
    scores = [score(method, tokens.pooled()) for tokens in (*seen, method.backbone(small))]
    answers = [choose(score(method, method.backbone(view).pooled()), 0.025) for view in large]
    loss = np.mean([cross(answers[j], scores[i]).mean() for j, i in ((0, 1), (1, 0), (0, 2), (1, 2))])
    mean = choose(np.stack(scores), 0.1).mean(axis=(0, 1))
    terms = method(batch_of(views), now()).terms
    assert terms["prediction"].item() == pytest.approx(loss, rel=1e-4)
    assert terms["regularizer"].item() == pytest.approx(np.log(32) + (mean * np.log(mean)).sum(), rel=1e-3)


def test_entropy_tells_one_choice_from_all():
    same, all_ = torch.zeros(1, 8, 8), 20 * torch.eye(8).unsqueeze(0)
    same[..., 3] = 20
    assert MeanEntropy()(same, now()).item() == pytest.approx(np.log(8), rel=1e-4)
    assert MeanEntropy()(all_, now()).item() == pytest.approx(0, abs=1e-5)


def test_operations_are_those_of_what_is_seen(views):
    msn, ibot = MSN.build(), IBOT.build()
    head = 2 * (48 * 64 + 64 * 16 + 16 * 32)
    seen, whole, small = (msn.backbone.flops(tokens) for tokens in (14, 16, 4))
    assert msn.flops(16, 16, 4) == 3 * (2 * seen + small + 3 * head) + 2 * (whole + head)
    assert ibot.flops(16, 16, 4) == 3 * (2 * whole + small + (3 + 2 * 8) * head) + 2 * (whole + 17 * head)
    for method in (msn, ibot):
        gflops = method(batch_of(views), now()).metrics["gflops"].item()
        assert gflops == pytest.approx(6 * method.flops(16, 16, 4) / 1e9)
