"""DINO from pictures to its loss, by the formulas of the paper."""

import numpy as np
import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.rivals.dino import DINO, TINY

STEP = step_at(0, 10, Rows(0, 6, 6))


def choose(scores, temperature):
    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return raised / raised.sum(axis=1, keepdims=True)


def test_loss_and_center_are_those_of_algorithm_1():
    """Two global views answer, local ones are only asked; a view is not asked about itself."""
    torch.manual_seed(0)
    method = TINY.build()
    large, small = torch.randn(2, 6, 3, 32, 32), torch.randn(6, 3, 16, 16)
    method.target.centers.copy_(0.1 * torch.randn(1, 32))
    center = method.target.centers[0].numpy().copy()
    with torch.no_grad():
        scores = [method.network(view).values[:, 0].double().numpy() for view in (*large, small)]
    losses = [
        -(choose(answer - center, 0.04) * np.log(choose(guess, 0.1))).sum(axis=1).mean()
        for j, answer in enumerate(scores[:2])
        for i, guess in enumerate(scores)
        if i != j
    ]
    batch = {"x": large[0], "globals": large[1].unsqueeze(1), "locals": small.unsqueeze(1)}
    assert method(batch, STEP).total.item() == pytest.approx(np.mean(losses), rel=1e-4)
    method.after_step(STEP)
    moved = 0.5 * center + 0.5 * np.concatenate(scores[:2]).mean(axis=0)
    np.testing.assert_allclose(method.target.centers[0].numpy(), moved, rtol=1e-4, atol=1e-6)


def test_it_has_the_published_head():
    with torch.device("meta"):
        head = DINO().build().network.head
    weights = [layer.weight.shape for layer in head if hasattr(layer, "weight")]
    assert [tuple(shape) for shape in weights] == [(2048, 384), (2048, 2048), (256, 2048), (65_536, 256)]


def test_answers_soften_while_the_run_warms_up():
    target = DINO(network=TINY.network, head=(8,), prototypes=4).build().target
    assert [round(target.temperature(progress), 4) for progress in (0.0, 0.05, 0.1, 1.0)] == [0.04, 0.055, 0.07, 0.07]
