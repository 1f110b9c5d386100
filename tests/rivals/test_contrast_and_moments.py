"""MoCo v3, VICReg, Barlow Twins, BYOL, SimSiam: their losses from weights to numbers, by the formulas of the papers."""

import numpy as np
import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.rivals.barlow import TINY as BARLOW
from jepakit.rivals.barlow import BarlowTwins
from jepakit.rivals.byol import TINY as BYOL
from jepakit.rivals.moco import TINY as MOCO
from jepakit.rivals.moco import MoCo
from jepakit.rivals.simsiam import TINY as SIMSIAM
from jepakit.rivals.vicreg import TINY as VICREG
from jepakit.rivals.vicreg import VICReg

STEP = step_at(0, 10, Rows(0, 6, 6))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 6, 3, 32, 32, generator=generator)
    return {"x": first, "globals": second.unsqueeze(1)}


def embedded(method, batch):
    """What the network makes of both views, one after the other, as training does."""
    with torch.no_grad():
        return [method.network(view).values[:, 0] for view in (batch["x"], batch["globals"][:, 0])]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_moco_is_half_the_sum_of_both_directions(batch):
    torch.manual_seed(0)
    method = MOCO.build()
    queries = [method.predictor(view).detach().numpy() for view in embedded(method, batch)]
    keys = [view.numpy() for view in embedded(method, batch)]
    losses = []
    for query, key in ((queries[0], keys[1]), (queries[1], keys[0])):
        scores = np.exp(unit(query) @ unit(key).T / 0.2)
        losses.append(-2 * 0.2 * np.log(np.diag(scores) / scores.sum(axis=1)).mean())
    assert method(batch, STEP).total.item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_vicreg_is_algorithm_1(batch):
    torch.manual_seed(0)
    method = VICREG.build()
    views = [view.double().numpy() for view in embedded(method, batch)]
    loss = 25 * np.mean((views[0] - views[1]) ** 2)
    for view in views:
        spread = np.sqrt(view.var(axis=0, ddof=1) + 1e-4)
        covariance = np.cov(view.T)
        loss += 25 * np.maximum(0, 1 - spread).mean()
        loss += ((covariance**2).sum() - (np.diag(covariance) ** 2).sum()) / view.shape[1]
    assert method(batch, STEP).total.item() == pytest.approx(loss, rel=1e-4)


def test_barlow_twins_is_equation_1(batch):
    torch.manual_seed(0)
    method = BARLOW.build()
    first, second = ((view - view.mean(axis=0)) / view.std(axis=0) for view in map(np.asarray, embedded(method, batch)))
    correlation = first.T @ second / len(first)
    apart = correlation**2 * (1 - np.eye(len(correlation)))
    loss = ((1 - np.diag(correlation)) ** 2).sum() + 0.0051 * apart.sum()
    assert method(batch, STEP).total.item() == pytest.approx(loss, rel=1e-3)


def test_byol_is_a_quarter_of_equation_2_both_ways(batch):
    """The paper sums |q - z|^2 of unit vectors, which is 2 - 2 cos, over both ways; the average answers."""
    torch.manual_seed(0)
    method = BYOL.build()
    with torch.no_grad():
        for parameter in method.target.network.parameters():  # so that it is no copy any more
            parameter.add_(0.1 * torch.randn_like(parameter))
        answers = [method.target.network(view).values[:, 0].numpy() for view in (batch["x"], batch["globals"][:, 0])]
        guesses = [method.predictor(view).numpy() for view in embedded(method, batch)]
    pairs = ((guesses[0], answers[1]), (guesses[1], answers[0]))
    loss = sum(((unit(guess) - unit(answer)) ** 2).sum(axis=1).mean() for guess, answer in pairs)
    assert method(batch, STEP).total.item() == pytest.approx(loss / 4, rel=1e-4)


def test_simsiam_is_equation_2_above_its_least(batch):
    """The paper takes the mean of minus the cosine over both ways, which is -1 at least; no gradient enters z."""
    torch.manual_seed(0)
    method = SIMSIAM.build()
    z = embedded(method, batch)
    p = [method.predictor(view).detach().numpy() for view in z]
    loss = sum(-(unit(p[i]) * unit(z[1 - i].numpy())).sum(axis=1).mean() / 2 for i in range(2))
    assert method(batch, STEP).total.item() == pytest.approx(1 + loss, rel=1e-4)
    found = method._answer([batch["x"], batch["globals"][:, 0]], torch.stack(z).requires_grad_())
    assert not found.requires_grad


def test_heads_are_as_wide_as_published():
    """Linear weights of each head, counted from the papers; vectors of normalization and biases aside."""
    wanted = {
        MoCo: 384 * 4096 + 4096 * 4096 + 4096 * 256 + 256 * 4096 + 4096 * 256,
        VICReg: 384 * 8192 + 2 * 8192**2,
        BarlowTwins: 384 * 8192 + 2 * 8192**2,
    }
    for rival, count in wanted.items():
        with torch.device("meta"):
            method = rival().build()
        heads = [*method.network.head.parameters(), *method.predictor.parameters()]
        assert sum(parameter.numel() for parameter in heads if parameter.ndim == 2) == count
