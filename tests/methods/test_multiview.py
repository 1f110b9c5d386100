"""The multi-view rule: who predicts whom, what it costs, and that one view is refused."""

import pytest
import torch
from torch import nn

from jepakit.contracts import Rows, step_at
from jepakit.family.lejepa import TINY as LEJEPA
from jepakit.methods.multiview import MultiView
from jepakit.parts.energies import l2
from jepakit.parts.nn.heads import Embedder
from jepakit.parts.nn.networks import ViT
from jepakit.parts.targets import SharedTarget
from jepakit.rivals.byol import TINY as BYOL

NETWORK = ViT(image=(32, 32), patch=8, dim=24, depth=1, heads=2, initialization="fan_in")


def now():
    """A step whose generators are fresh."""
    return step_at(0, 10, Rows(0, 4, 4))


def views(globals_=2, locals_=0, size=16):
    x = torch.randn(4, globals_, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = {"x": x[:, 0]}
    if globals_ > 1:
        batch["globals"] = x[:, 1:]
    return {**batch, "locals": torch.randn(4, locals_, 3, size, size)} if locals_ else batch


def bare(**options):
    """A method without a head, whose embeddings are the means of tokens."""
    torch.manual_seed(0)
    network = Embedder(NETWORK.build(), nn.Identity())
    return MultiView(network, SharedTarget(stop_gradient=False, normalize=False), l2, **options)


@pytest.mark.parametrize(("asked", "pairs"), [("others", [(0, 1), (1, 0), (2, 0), (2, 1)]), ("center", None)])
def test_who_predicts_whom(asked, pairs):
    """Global views predict each other, local ones are never predicted; LeJEPA's all predict the center."""
    method, batch = bare(asked=asked), views(2, 1)
    found = method(batch, now()).terms["prediction"]
    seen = [batch["x"], batch["globals"][:, 0], batch["locals"][:, 0]]
    embedded = [method.backbone(view).pooled() for view in seen]
    center = (embedded[0] + embedded[1]) / 2
    asked_of = [(embedded[i], embedded[j]) for i, j in pairs] if pairs else [(each, center) for each in embedded]
    expected = torch.stack([(guess - answer).square().mean() for guess, answer in asked_of]).mean()
    torch.testing.assert_close(found, expected)


def test_no_gradient_enters_a_stopped_answer():
    method = bare(asked="others")
    method.target = SharedTarget(stop_gradient=True, normalize=False)
    embeddings = torch.randn(2, 4, 24, requires_grad=True)
    assert not method._answer([torch.zeros(4)] * 2, embeddings).requires_grad
    method.target = SharedTarget(stop_gradient=False, normalize=False)
    assert method._answer([torch.zeros(4)] * 2, embeddings).requires_grad


def test_the_share_of_the_regularizer_is_the_trade_off():
    method = LEJEPA.build()
    losses = method(views(2), now())
    alone = method.regularizer(method._embed([views(2)["x"], views(2)["globals"][:, 0]])[0], now())
    assert method.weights == (0.95, 0.05)
    assert losses.terms["regularizer"].item() == pytest.approx(0.05 * alone.item(), rel=1e-4)


def test_operations_are_counted_view_by_view():
    method, network = BYOL.build(), BYOL.build().network
    own = network.flops(16)
    assert own == network.backbone.flops(16) + 2 * (48 * 64 + 64 * 16)
    predictor = 2 * (16 * 64 + 64 * 16)
    assert method.flops(16, 16, 4) == 3 * (2 * own + network.flops(4) + 3 * predictor) + 2 * own
    assert float(method(views(2, 1), now()).metrics["gflops"]) == pytest.approx(4 * method.flops(16, 16, 4) / 1e9)


def test_the_average_keeps_its_own_batch_statistics_and_is_what_is_kept():
    method = BYOL.build()
    method(views(2), now())
    norm = method.target.network.head[1]
    assert not torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))
    assert method.kept is method.target.network.backbone


def test_one_view_is_refused_and_a_latent_too():
    with pytest.raises(ValueError, match="give the data `views`"):
        bare()(views(1), now())
    with pytest.raises(ValueError, match="no latent"):
        bare().energy(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32), z=torch.zeros(1))
