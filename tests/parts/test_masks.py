"""How questions are drawn: inside the grid, without overlap, the same for the same generator, whatever the ranks."""

import pytest
import torch

from jepakit.contracts import Rows
from jepakit.parts.masks.blocks import BlockMasker
from jepakit.parts.masks.random import RandomMasker
from jepakit.parts.masks.rectangle import rectangle, smallest
from jepakit.parts.nn.position import grid


def ask(masker, extent, rows, seed=0):
    coords = grid(extent).expand(rows.count, -1, -1)
    return masker(coords, extent, torch.Generator().manual_seed(seed), rows)


def whole(count):
    return Rows(0, count, count)


GRIDS = [(4, 4), (6, 6), (7, 7), (14, 14), (16, 16), (8, 20)]


@pytest.mark.parametrize("how", ["first", "random", "pad"])
@pytest.mark.parametrize("extent", GRIDS)
def test_context_and_targets_are_disjoint_and_inside(extent, how):
    cells = extent[0] * extent[1]
    for seed in range(10):
        split = ask(BlockMasker(rectangular=how), extent, whole(16), seed)
        for seen, asked in zip(split.context.tolist(), split.targets.flatten(1).tolist(), strict=True):
            shown = [index for index in seen if index >= 0]
            assert len(shown) == len(set(shown)) >= 1
            assert shown == sorted(shown)
            assert max(shown + asked) < cells
            assert not set(shown) & set(asked)
            assert how == "pad" or -1 not in seen


@pytest.mark.parametrize("extent", GRIDS)
def test_targets_are_full_blocks_of_one_size(extent):
    split = ask(BlockMasker(), extent, whole(16), 3)
    sizes = set()
    for block in split.targets.flatten(0, 1):
        rows, columns = block // extent[1], block % extent[1]
        height, width = (int(axis.max() - axis.min()) + 1 for axis in (rows, columns))
        assert height * width == len(block.unique()) == len(block)
        sizes.add((height, width))
    assert len(sizes) == 1


def test_sizes_of_blocks_follow_the_scale_and_aspect_of_the_paper():
    extent, cells = (32, 32), 1024
    shares, ratios = [], []
    for seed in range(200):
        targets, _ = BlockMasker().draw(extent, torch.Generator().manual_seed(seed), 1)
        rows, columns = targets[0, 0] // 32, targets[0, 0] % 32
        height, width = len(rows.unique()), len(columns.unique())
        shares.append(height * width / cells)
        ratios.append(height / width)
    assert 0.13 < min(shares) < 0.16 < 0.19 < max(shares) < 0.21
    assert min(ratios) < 0.85 < 1.35 < max(ratios)


@pytest.mark.parametrize("extent", [(6, 6), (16, 16)])
def test_every_cell_is_shown_and_asked_for_unless_the_released_sampler_is_reproduced(extent):
    for released in (False, True):
        seen, asked = torch.zeros(extent).flatten(), torch.zeros(extent).flatten()
        for seed in range(40):
            targets, context = BlockMasker(released=released).draw(extent, torch.Generator().manual_seed(seed), 32)
            seen += context.sum(dim=0)
            asked += torch.bincount(targets.flatten(), minlength=len(asked))
        edge = torch.zeros(extent, dtype=torch.bool)
        edge[-1], edge[:, -1] = True, True
        for count in (seen, asked):
            assert (count[edge.flatten()] > 0).all() == (not released)
            assert (count[~edge.flatten()] > 0).all()


def test_blocks_stand_anywhere_with_equal_probability():
    """Chi-square of where the first block starts, over the rows it may start in."""
    targets, _ = BlockMasker().draw((16, 16), torch.Generator().manual_seed(1), 8000)
    starts = targets[:, 0, 0] // 16
    height = len((targets[0, 0] // 16).unique())
    counts = torch.bincount(starts, minlength=17 - height).float()
    expected = 8000 / (17 - height)
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert len(counts) == 17 - height
    assert chi_square < 35, "the 99.9 % quantile for up to 12 degrees of freedom is 33"


@pytest.mark.parametrize("how", ["first", "random", "pad"])
def test_rows_of_ranks_are_rows_of_one_draw(how):
    masker, extent = BlockMasker(rectangular=how), (8, 8)
    together = ask(masker, extent, whole(12), 5)
    first, second = ask(masker, extent, Rows(0, 5, 12), 5), ask(masker, extent, Rows(5, 7, 12), 5)
    assert torch.equal(together.context, torch.cat([first.context, second.context]))
    assert torch.equal(together.targets, torch.cat([first.targets, second.targets]))


def test_random_rows_of_ranks_are_rows_of_one_draw():
    together = ask(RandomMasker(0.3), (5, 5), whole(6), 5)
    part = ask(RandomMasker(0.3), (5, 5), Rows(2, 3, 6), 5)
    assert torch.equal(together.context[2:5], part.context)
    assert torch.equal(together.targets[2:5], part.targets)


def test_random_masks_show_a_share_and_ask_for_the_rest():
    split = ask(RandomMasker(0.25), (6, 6), whole(4))
    assert split.context.shape == (4, 9)
    assert split.targets.shape == (4, 1, 27)
    for seen, asked in zip(split.context, split.targets[:, 0], strict=True):
        assert sorted([*seen.tolist(), *asked.tolist()]) == list(range(36))


def test_equal_generators_ask_alike_and_others_do_not():
    first, again, other = (ask(BlockMasker(rectangular="pad"), (12, 12), whole(8), seed) for seed in (1, 1, 2))
    assert torch.equal(first.context, again.context)
    assert first.context.shape != other.context.shape or not torch.equal(first.context, other.context)


def test_three_ways_to_make_a_rectangle():
    mask = torch.tensor([[True, False, True, True, True], [False, True, False, True, False]])
    generator = torch.Generator().manual_seed(0)
    assert rectangle(mask, "first", generator).tolist() == [[0, 2], [1, 3]]
    assert rectangle(mask, "pad", generator).tolist() == [[0, 2, 3, 4], [1, 3, -1, -1]]
    kept = [tuple(rectangle(mask, "random", generator)[0].tolist()) for _ in range(600)]
    pairs = {(0, 2), (0, 3), (0, 4), (2, 3), (2, 4), (3, 4)}
    assert set(kept) == pairs
    assert all(60 < kept.count(pair) < 140 for pair in pairs), "each pair is drawn equally often"


def test_context_keeps_the_minimum_even_where_targets_crowd_it_out():
    masker = BlockMasker(block_scale=(0.35, 0.35), min_keep=10)
    _, context = masker.draw((8, 8), torch.Generator().manual_seed(0), 300)
    assert context.sum(dim=1).min() >= 10


def test_overlap_may_be_left_in():
    targets, context = BlockMasker(remove_targets=False).draw((16, 16), torch.Generator().manual_seed(0), 8)
    assert context.gather(1, targets.flatten(1)).any(dim=1).all()
    assert context.sum(dim=1).min() > 0.8 * 256


@pytest.mark.parametrize("extent", [None, (4,), (2, 4, 4)])
def test_blocks_need_a_plane(extent):
    with pytest.raises(ValueError, match="2D grid"):
        BlockMasker()(torch.zeros(1, 4, 2), extent, torch.Generator(), whole(1))


def test_impossible_settings_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="block_scale is a range of shares"):
        BlockMasker(block_scale=(0.0, 0.2))
    with pytest.raises(ValueError, match="keep is the share"):
        RandomMasker(1.0)
    with pytest.raises(ValueError, match="lower block_scale or blocks"):
        ask(BlockMasker(block_scale=(1.0, 1.0), block_aspect=(1.0, 1.0)), (4, 4), whole(2))


def test_a_tie_at_the_limit_does_not_change_the_length():
    ranks = torch.tensor([[0.5, 0.1, 0.5, 0.9], [0.2, 0.3, 0.4, 0.1]])
    found = smallest(ranks, 2)
    assert found[0].tolist() in ([0, 1], [1, 2])
    assert found[1].tolist() == [0, 3]
    assert smallest(ranks, 0).shape == (2, 0)
