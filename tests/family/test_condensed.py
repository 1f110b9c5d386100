"""A frame condensed to its principal components: they keep what differs, and distances between frames."""

import pytest
import torch

from jepakit.family.condensed import TINY, condense
from jepakit.parts.nn.frames import by_frame
from jepakit.parts.nn.summary import Summary


def clips(count: int) -> torch.Tensor:
    """Frames of a bright square somewhere, which differ in two numbers."""
    generator = torch.Generator().manual_seed(0)
    found = torch.zeros(count, 3, 1, 32, 32)
    for clip, (row, column) in zip(found, torch.randint(0, 24, (count, 2), generator=generator).tolist(), strict=True):
        clip[:, :, row : row + 8, column : column + 8] = 1
    return found


def test_components_keep_distances_and_have_no_mean():
    torch.manual_seed(0)
    method, pictures = TINY.build().eval(), clips(80)
    share = condense(method, pictures)
    seen = by_frame(method.kept(pictures))[:, 0, 0]
    assert 0.5 < share < 1
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(16), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen.square().mean(), torch.tensor(1.0), atol=1e-2, rtol=0)
    summary = method.kept.network
    assert isinstance(summary, Summary)
    tokens = summary.backbone(pictures.expand(-1, -1, 2, -1, -1)).values.flatten(1)
    whole, condensed = torch.cdist(tokens, tokens).flatten(), torch.cdist(seen, seen).flatten()
    assert torch.corrcoef(torch.stack([whole, condensed]))[0, 1] > 0.9
    decorrelated = torch.cov(seen.T)
    assert (decorrelated - decorrelated.diag().diag()).abs().max() < 1e-2 * decorrelated.max()


def test_equal_frames_give_equal_components_whatever_was_drawn_before():
    torch.manual_seed(0)
    method, pictures = TINY.build().eval(), clips(60)
    condense(method, pictures)
    first = method.kept(pictures).values
    torch.rand(7)
    condense(method, pictures)
    assert torch.equal(first, method.kept(pictures).values)


def test_components_need_more_frames_than_there_are_of_them():
    with pytest.raises(ValueError, match="16 components need more frames"):
        condense(TINY.build(), clips(16))
