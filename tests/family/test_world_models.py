"""The published sizes of world models, on the meta device: what the papers count."""

import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.family import dinowm, leworld, pldm, vjepa2_ac


def count(part: torch.nn.Module) -> float:
    """Parameters in millions."""
    return sum(parameter.numel() for parameter in part.parameters()) / 1e6


def test_v_jepa_2_ac_is_as_large_as_published():
    with torch.device("meta"):
        method = vjepa2_ac.VIT_G16.build()
    assert count(method.dynamics) == pytest.approx(305.2, abs=0.1)
    assert count(method.kept) == pytest.approx(1012.2, abs=0.1)
    assert [count(block) for block in method.dynamics.encoder.blocks] == [pytest.approx(12.6, abs=0.01)] * 24


def test_lewm_is_as_large_as_published():
    with torch.device("meta"):
        method = leworld.VIT_TINY.build()
    assert count(method.network.network.backbone) == pytest.approx(5.5, abs=0.1)
    assert count(method.dynamics.encoder) == pytest.approx(10.8, abs=0.2)


def test_dino_wm_is_as_large_as_published():
    model = dinowm.around(dinowm.DINOV2_S14, dinowm.ViT(image=(196, 196), patch=14), 196)
    with torch.device("meta"):
        method = model.build()
    assert count(method.dynamics.encoder) == pytest.approx(19.8, abs=0.3)
    assert method.dynamics.window == 3


def test_the_nano_size_fits_a_cpu():
    method = leworld.NANO.build()
    assert count(method.network) == pytest.approx(0.19, abs=0.01)
    assert count(method.dynamics) < 0.5


@pytest.mark.parametrize("model", [leworld.NANO, pldm.MAZE, pldm.TWO_ROOMS], ids=["nano", "maze", "two rooms"])
def test_small_sizes_learn(model):
    torch.manual_seed(0)
    method, (channels, frames, *image) = model.build(), model.samples[0]
    batch = {"x": torch.rand(2, channels, frames, *image), "actions": torch.randn(2, frames - 1, model.action)}
    optimizer, losses = torch.optim.AdamW(method.parameters(), 1e-3), []
    for _ in range(4):
        losses.append(method(batch, step_at(0, 4, Rows(0, 2, 2))).total)
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0]


def test_a_pose_has_seven_numbers():
    with pytest.raises(ValueError, match="a pose and its change have 7 numbers, got proprio=3 and action=7"):
        vjepa2_ac.VJEPA2AC(proprio=3).build()
