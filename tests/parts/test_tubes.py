"""How questions about clips are drawn: whole stretches of time, inside the grid, nothing twice, something to see."""

import math

import pytest
import torch
from scipy import stats

from jepakit.contracts import Rows
from jepakit.parts.masks.tubes import CausalMasker, RandomTubeMasker, TubeMasker, cover_clips
from jepakit.parts.nn.position import grid

SHORT, LONG = {"blocks": 8, "block_scale": (0.15, 0.15)}, {"blocks": 2, "block_scale": (0.7, 0.7)}
CLIPS = [(8, 14, 14), (4, 6, 6), (2, 3, 5), (3, 1, 4), (1, 4, 4), (6, 6)]
WAYS = ["first", "random", "pad"]


def ask(masker, extent, rows, seed=0):
    coords = grid(extent).expand(rows.count, -1, -1)
    return masker(coords, extent, torch.Generator().manual_seed(seed), rows)


def whole(count):
    return Rows(0, count, count)


def draw(masker, extent, count, seed=0):
    """Which tokens are context, as [b t h w]."""
    return masker.draw(extent, torch.Generator().manual_seed(seed), count).unflatten(1, extent)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("extent", CLIPS)
@pytest.mark.parametrize("family", [SHORT, LONG, {"temporal_scale": (0.3, 0.9)}, {"max_temporal_keep": 0.5}], ids=str)
def test_context_and_targets_are_disjoint_sorted_inside_and_never_empty(family, extent, how):
    for seed in range(4):
        split = ask(TubeMasker(**family, rectangular=how), extent, whole(9), seed)
        assert split.targets.shape[1] == 1
        for seen, asked in zip(split.context.tolist(), split.targets[:, 0].tolist(), strict=True):
            shown, hidden = ([index for index in part if index >= 0] for part in (seen, asked))
            assert shown
            assert hidden
            assert shown == sorted(set(shown))
            assert hidden == sorted(set(hidden))
            assert not set(shown) & set(hidden)
            assert max(shown + hidden) < math.prod(extent)
            if how == "pad":
                assert len(shown) + len(hidden) == math.prod(extent)
            else:
                assert -1 not in seen + asked


def paint(corners, size, extent):
    """Clip by clip, block by block."""
    painted = torch.zeros(len(corners), *extent)
    for clip, blocks in zip(painted, corners.tolist(), strict=True):
        for start, top, left in blocks:
            clip[start : start + size[0], top : top + size[1], left : left + size[2]] += 1
    return painted


@pytest.mark.parametrize(("size", "extent"), [((8, 5, 6), (8, 14, 14)), ((3, 2, 4), (5, 6, 7)), ((1, 1, 1), (2, 2, 3))])
def test_blocks_cover_what_a_plain_loop_paints(size, extent):
    generator = torch.Generator().manual_seed(0)
    starts = [
        torch.randint(0, limit - side + 1, (7, 4), generator=generator)
        for side, limit in zip(size, extent, strict=True)
    ]
    corners = torch.stack(starts, dim=-1)
    covered = cover_clips(corners, size, extent).expand(-1, extent[0], -1).unflatten(2, extent[1:])
    assert torch.equal(covered, paint(corners, size, extent))


def test_one_block_of_one_size_for_the_batch_spans_the_clip():
    hidden = ~draw(TubeMasker(blocks=1), (8, 14, 14), 64, seed=3)
    assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))
    heights, widths = (hidden[:, 0].any(dim=axis).sum(dim=1) for axis in (2, 1))
    assert len(heights.unique()) == len(widths.unique()) == 1
    assert torch.equal(hidden[:, 0].flatten(1).sum(dim=1), heights * widths)


def test_sizes_follow_scale_aspect_and_duration():
    masker = TubeMasker(block_scale=(0.1, 0.3), temporal_scale=(0.25, 0.75))
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([masker._size((16, 32, 32), generator) for _ in range(400)])
    shares, ratios = sizes[:, 1] * sizes[:, 2] / 1024, sizes[:, 1] / sizes[:, 2]
    assert 0.08 < shares.min() < 0.12 < 0.28 < shares.max() < 0.32
    assert 0.7 < ratios.min() < 0.85 < 1.35 < ratios.max() < 1.6
    assert sizes[:, 0].unique().tolist() == list(range(4, 12))


def test_blocks_stand_anywhere_with_equal_probability_borders_included():
    """Chi-square of the first step, row and column of a block."""
    context = draw(TubeMasker(blocks=1, temporal_scale=(0.5, 0.5)), (6, 14, 14), 6000, seed=1)
    hidden = ~context
    for axis in range(3):
        other = [dim for dim in (1, 2, 3) if dim != axis + 1]
        lines = hidden.any(dim=other[1]).any(dim=other[0])
        starts, side = lines.float().argmax(dim=1), int(lines[0].sum())
        counts = torch.bincount(starts)
        assert len(counts) == context.shape[axis + 1] - side + 1, "the last place is never used"
        assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_an_empty_context_is_drawn_again():
    """Two blocks of nearly a frame cover it in every second draw, eight of them nearly always."""
    for blocks in (2, 8):
        context = draw(TubeMasker(blocks=blocks, block_scale=(0.9, 0.9), block_aspect=(1.5, 1.5)), (4, 6, 6), 200)
        assert context.flatten(1).any(dim=1).all()


def test_only_the_first_steps_are_shown_if_asked_for():
    context = draw(TubeMasker(max_temporal_keep=0.5), (8, 6, 6), 30)
    assert context[:, :4].flatten(1).any(dim=1).all()
    assert not context[:, 4:].any()
    split = ask(TubeMasker(max_temporal_keep=0.5, rectangular="pad"), (8, 6, 6), whole(30))
    later = torch.arange(4 * 36, 8 * 36)
    assert all(torch.isin(later, asked).all() for asked in split.targets[:, 0])


def kept_by_step(how, family, count=24, draws=40):
    kept = torch.zeros(2, 8)
    for seed in range(draws):
        split = ask(TubeMasker(**family, rectangular=how), (8, 14, 14), whole(count), seed)
        for part, index in enumerate((split.context, split.targets)):
            kept[part] += torch.bincount(index[index >= 0] // 196, minlength=8) / count / draws
    return kept


@pytest.mark.parametrize("family", [SHORT, LONG], ids=["short", "long"])
def test_first_drops_late_frames_and_the_other_ways_do_not(family):
    first, random, pad = (kept_by_step(how, family) for how in WAYS)
    assert (first[:, -1] < 0.3 * first[:, 0]).all()
    assert first[0, -1] < 0.1 * first[0, 0]
    for even in (random, pad):
        torch.testing.assert_close(even, even[:, :1].expand(-1, 8), rtol=0.03, atol=0)
    torch.testing.assert_close(random.sum(dim=1), first.sum(dim=1), rtol=0.05, atol=0)
    torch.testing.assert_close(pad.sum(dim=0), torch.full((8,), 196.0))


def test_a_plane_is_a_clip_of_one_step():
    plane, clip = (ask(TubeMasker(), extent, whole(5)) for extent in ((6, 6), (1, 6, 6)))
    assert torch.equal(plane.context, clip.context)
    assert torch.equal(plane.targets, clip.targets)


@pytest.mark.parametrize("masker", [*(TubeMasker(rectangular=how) for how in WAYS), RandomTubeMasker(), CausalMasker()])
def test_rows_of_ranks_are_rows_of_one_repeatable_draw(masker):
    together, again = ask(masker, (4, 6, 6), whole(12), 5), ask(masker, (4, 6, 6), whole(12), 5)
    first, second = ask(masker, (4, 6, 6), Rows(0, 5, 12), 5), ask(masker, (4, 6, 6), Rows(5, 7, 12), 5)
    for part in ("context", "targets"):
        assert torch.equal(getattr(together, part), getattr(again, part))
        assert torch.equal(getattr(together, part), torch.cat([getattr(first, part), getattr(second, part)]))


def test_random_tubes_hide_the_same_places_at_every_step():
    split = ask(RandomTubeMasker(0.1), (4, 10, 10), whole(300))
    assert split.context.shape == (300, 40)
    assert split.targets.shape == (300, 1, 360)
    places = split.context.view(300, 4, 10) - 100 * torch.arange(4).view(1, 4, 1)
    assert torch.equal(places, places[:, :1].expand_as(places))
    assert stats.chisquare(torch.bincount(places[:, 0].flatten(), minlength=100).numpy()).pvalue > 1e-3
    everything = torch.cat([split.context, split.targets[:, 0]], dim=1).sort(dim=1).values
    assert torch.equal(everything, torch.arange(400).expand(300, -1))


@pytest.mark.parametrize(("share", "steps"), [(0.5, 4), (0.01, 1), (0.99, 7)])
def test_the_causal_mask_shows_the_past(share, steps):
    split = ask(CausalMasker(share), (8, 3, 3), whole(2))
    assert split.context.tolist() == [list(range(9 * steps))] * 2
    assert split.targets.tolist() == [[list(range(9 * steps, 72))]] * 2


@pytest.mark.parametrize("masker", [TubeMasker(), RandomTubeMasker(), CausalMasker()])
@pytest.mark.parametrize("extent", [None, (4,), (2, 2, 2, 2)])
def test_masks_of_clips_need_a_grid(masker, extent):
    with pytest.raises(ValueError, match=r"need a grid of \(time, rows, columns\)"):
        masker(torch.zeros(1, 4, 3), extent, torch.Generator(), whole(1))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TubeMasker(blocks=0), "blocks is a number of blocks"),
        (lambda: TubeMasker(block_scale=(0.0, 0.2)), "block_scale is a range of shares"),
        (lambda: TubeMasker(temporal_scale=(0.5, 0.2)), "temporal_scale is a range of shares"),
        (lambda: TubeMasker(block_aspect=(1.5, 0.5)), "block_aspect is a range of ratios"),
        (lambda: TubeMasker(max_temporal_keep=0.0), "max_temporal_keep is a share"),
        (lambda: RandomTubeMasker(1.0), "keep is the share of places"),
        (lambda: CausalMasker(0.0), "share is the part of the clip"),
        (lambda: ask(TubeMasker(), (4, 1, 1), whole(2)), "leave nothing to see"),
        (lambda: ask(RandomTubeMasker(), (4, 1, 1), whole(2)), "no place to hide"),
        (lambda: ask(CausalMasker(), (6, 6), whole(2)), "this clip has one"),
    ],
)
def test_impossible_settings_are_refused_with_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_a_block_is_never_the_whole_clip():
    """A scale of 1 would hide everything, forever; the block loses a row or column instead."""
    for extent in ((4, 4, 4), (2, 1, 5), (2, 5, 1), (2, 3, 3)):
        context = draw(TubeMasker(blocks=3, block_scale=(1.0, 1.0), block_aspect=(1.0, 1.0)), extent, 50)
        assert context.flatten(1).any(dim=1).all()
