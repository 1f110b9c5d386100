"""What embeddings of one episode ask of each other, and which action led from one to the next."""

import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.parts.regularizers.inverse import InverseDynamics
from jepakit.parts.regularizers.temporal import Straightness, TemporalSimilarity

STEP = step_at(0, 1, Rows(0, 4, 4))


def test_similarity_is_the_mean_squared_step():
    walk = torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1).expand(3, 4, 2)
    assert TemporalSimilarity()(walk, STEP).item() == pytest.approx((1 + 4) / 2)
    with pytest.raises(ValueError, match="two frames or more"):
        TemporalSimilarity()(walk[:1], STEP)


def test_straight_lines_do_not_bend():
    line = torch.arange(5.0).view(5, 1, 1) * torch.randn(1, 4, 3)
    assert Straightness()(line, STEP).item() == pytest.approx(0, abs=1e-5)
    corner = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]).unsqueeze(1)
    assert Straightness()(corner, STEP).item() == pytest.approx(1)
    with pytest.raises(ValueError, match="three frames"):
        Straightness()(corner[:2], STEP)


def test_actions_are_read_off_where_they_can_be():
    """From embeddings that an action moves, and not from those that it does not."""
    torch.manual_seed(0)
    actions = torch.randn(256, 3, 2)
    moved = torch.cat([torch.randn(256, 1, 2), actions], dim=1).cumsum(dim=1).transpose(0, 1)
    still = torch.randn(4, 256, 2)
    left = []
    for embeddings in (moved, still):
        rule = InverseDynamics(2, 2, hidden=32)
        optimizer = torch.optim.Adam(rule.parameters(), 1e-2)
        for _ in range(100):
            optimizer.zero_grad()
            rule(embeddings, actions).backward()
            optimizer.step()
        left.append(rule(embeddings, actions).item())
    assert left[0] < 0.1
    assert left[1] > 0.7
    with pytest.raises(ValueError, match="4 frames have 3 actions between them, got 2"):
        InverseDynamics(2, 2)(moved, actions[:, :2])
