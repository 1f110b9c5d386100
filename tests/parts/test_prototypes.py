"""Soft choices of prototypes: scores are cosines, answers and centers are those of DINO's equations."""

import numpy as np
import pytest
import torch
from torch import nn

from jepakit.contracts import Rows, step_at
from jepakit.parts.energies import CrossEntropy
from jepakit.parts.nn.heads import as_token
from jepakit.parts.prototypes import CenteredTarget, Prototypes, SoftTarget, make_choice
from jepakit.schedules import constant, linear
from jepakit.tokens import Tokens

STEP = step_at(0, 5, Rows(0, 4, 4))


class Scores(nn.Module):
    """A network whose scores are its input times a number that learns."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x, layers=None):
        return Tokens(self.scale * x, torch.zeros(*x.shape[:2], 1))


def choose(scores, temperature):
    raised = np.exp(scores / temperature)
    return raised / raised.sum(axis=-1, keepdims=True)


def test_scores_are_cosines_whatever_the_lengths():
    layer, x = Prototypes(5, 3), torch.randn(4, 5)
    expected = np.array([[np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) for b in layer.weight.detach().numpy()]
                         for a in x.numpy()])  # fmt: skip
    np.testing.assert_allclose(layer(10 * x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_choice_has_batch_normalization_where_it_is_asked_for():
    kinds = [[type(layer).__name__ for layer in make_choice((4, 8, 2), 3, norm)] for norm in (False, True)]
    assert kinds[0] == ["Linear", "GELU", "Linear", "Prototypes"]
    assert kinds[1] == ["Linear", "BatchNorm", "GELU", "Linear", "Prototypes"]


def test_cross_entropy_is_that_of_the_paper():
    scores, chances = torch.randn(4, 3, 6), torch.randn(4, 3, 6).softmax(dim=-1)
    valid = torch.ones(4, 3, dtype=torch.bool)
    valid[0, 1:] = False
    found = CrossEntropy(0.2)(Tokens(scores, torch.zeros(4, 3, 1)), Tokens(chances, torch.zeros(4, 3, 1), valid))
    each = -(chances.numpy() * np.log(choose(scores.numpy(), 0.2))).sum(axis=-1)
    expected = [each[0, 0], *each[1:].mean(axis=1)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_an_answer_is_a_sharp_choice_whose_temperature_follows_the_run():
    network, scores = Scores(), torch.randn(4, 1, 6)
    target = SoftTarget(network, constant(1.0), linear(0.5, 0.1))
    np.testing.assert_allclose(target(scores, network).values.numpy(), choose(scores.numpy(), 0.5), rtol=1e-5)
    target.after_step(network, step_at(4, 5, Rows(0, 4, 4)))
    np.testing.assert_allclose(target(scores, network).values.numpy(), choose(scores.numpy(), 0.1), rtol=1e-4)


def test_the_center_is_equation_4():
    """Scores are centered by what came before; all of a step, of every view and micro-batch, move the center."""
    network, center = Scores(), np.zeros(6)
    target = CenteredTarget(network, constant(1.0), constant(0.3), 6, center_momentum=0.9)
    for seed in range(3):
        views = torch.randn(2, 4, 1, 6, generator=torch.Generator().manual_seed(seed)) + 1
        for view in views:
            np.testing.assert_allclose(
                target(view, network).values.numpy(), choose(view.numpy() - center, 0.3), rtol=1e-4
            )
        target.after_step(network, STEP)
        center = 0.9 * center + 0.1 * views.numpy().mean(axis=(0, 1, 2))
        np.testing.assert_allclose(target.centers[0].numpy(), center, rtol=1e-5)


def test_embeddings_and_patches_have_centers_of_their_own():
    network, scores = Scores(), torch.randn(4, 5, 6)
    target = CenteredTarget(network, constant(1.0), constant(0.3), 6, center_momentum=0.0, centers=2)
    target(scores, network)
    target.after_step(network, STEP)
    first, others = scores[:, 0].mean(dim=0), scores[:, 1:].mean(dim=(0, 1))
    torch.testing.assert_close(target.centers, torch.stack([first, others]))
    shifted = np.concatenate([scores[:, :1] - first, scores[:, 1:] - others], axis=1)
    np.testing.assert_allclose(target(scores, network).values.numpy(), choose(shifted, 0.3), rtol=1e-4)


def test_only_training_moves_the_center_and_no_broken_batch_does():
    network = Scores()
    target = CenteredTarget(network, constant(1.0), constant(0.3), 6).eval()
    target(torch.randn(4, 1, 6), network)
    target.after_step(network, STEP)
    target.train()(torch.full((4, 1, 6), torch.nan), network)
    target.after_step(network, STEP)
    assert torch.equal(target.centers, torch.zeros(1, 6))
    target(torch.ones(4, 1, 6), network)
    target.after_step(network, STEP)
    torch.testing.assert_close(target.centers, torch.full((1, 6), 0.1))


def test_temperatures_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="target_temperature is above 0"):
        SoftTarget(Scores(), constant(1.0), constant(0.0))
    with pytest.raises(ValueError, match="temperature must be above 0"):
        CrossEntropy(0.0)


def test_an_energy_of_one_sample_needs_no_neighbors():
    scores, chances = torch.randn(3, 6), torch.randn(3, 6).softmax(dim=-1)
    together = CrossEntropy()(as_token(scores), as_token(chances))
    alone = [CrossEntropy()(as_token(scores[i : i + 1]), as_token(chances[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
