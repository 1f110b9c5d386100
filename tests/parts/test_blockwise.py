"""Block-wise masks hide exactly the share that is asked for, in blocks, whatever part of the batch is held."""

import pytest
import torch

from jepakit.contracts import Rows
from jepakit.parts.masks.blockwise import BlockwiseMasker
from jepakit.parts.nn.position import grid

EXTENT = (14, 14)
COORDS = grid(EXTENT).unsqueeze(0)


def draw(masker, rows=Rows(0, 64, 64), seed=0, extent=EXTENT):  # noqa: B008
    coords = grid(extent).expand(rows.count, -1, -1)
    return masker(coords, extent, torch.Generator().manual_seed(seed), rows)


def test_a_fixed_share_is_hidden_of_every_sample_and_all_the_rest_is_seen():
    split = draw(BlockwiseMasker((0.6, 0.6)))
    assert split.targets.shape == (64, 1, 118)
    for seen, hidden in zip(split.context.tolist(), split.targets[:, 0].tolist(), strict=True):
        assert sorted(seen + hidden) == list(range(196))


def test_shares_and_chance_are_kept():
    split = draw(BlockwiseMasker((0.1, 0.5), chance=0.5), Rows(0, 400, 400))
    counts = (split.targets[:, 0] >= 0).sum(dim=1)
    hiding = counts[counts > 0]
    assert 150 < len(hiding) < 250
    assert hiding.min() >= 20
    assert hiding.max() <= 98
    assert 50 < hiding.float().mean() < 68
    assert torch.equal((split.context >= 0).sum(dim=1), 196 - counts)


def test_what_is_hidden_lies_together():
    """Of the neighbors of a hidden patch far more are hidden than the share of all patches."""
    hidden = torch.zeros(64, 196)
    hidden.scatter_(1, draw(BlockwiseMasker((0.4, 0.4))).targets[:, 0], 1.0)
    picture = hidden.view(64, *EXTENT)
    beside = (picture[:, :, 1:] * picture[:, :, :-1]).sum() / picture[:, :, :-1].sum()
    assert beside > 0.6


def test_a_rank_gets_its_rows_of_the_whole_draw():
    masker = BlockwiseMasker((0.1, 0.5), chance=0.5)
    whole, part = draw(masker), draw(masker, Rows(20, 7, 64))
    assert torch.equal(whole.targets[20:27], part.targets)
    assert torch.equal(whole.context[20:27], part.context)


@pytest.mark.parametrize("extent", [(1, 2), (2, 2), (4, 4), (3, 9)])
def test_small_grids_work(extent):
    split = draw(BlockwiseMasker((0.6, 0.6)), extent=extent)
    tokens = extent[0] * extent[1]
    assert split.context.shape[1] >= 1
    assert split.context.shape[1] + split.targets.shape[2] == tokens


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="shares is a range"):
        BlockwiseMasker((0.5, 0.1))
    with pytest.raises(ValueError, match="chance"):
        BlockwiseMasker(chance=0.0)
    with pytest.raises(ValueError, match="2D grid"):
        BlockwiseMasker()(COORDS, (2, 7, 14), torch.Generator(), Rows(0, 1, 1))
