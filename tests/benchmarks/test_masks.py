"""The two sides of the benchmark of masks ask the same questions."""

import pytest
import torch

from benchmarks.masks import EXTENT, plain_masks
from jepakit.contracts import Rows
from jepakit.parts.masks.blocks import BlockMasker
from jepakit.parts.nn.position import grid

BATCH, DRAWS = 16, 60


def plain(how):
    generator = torch.Generator().manual_seed(1)
    for _ in range(DRAWS):
        context, targets = plain_masks(BATCH, EXTENT, how, generator)
        yield context, torch.stack(targets, dim=1)


def vectorized(how):
    generator, coords = torch.Generator().manual_seed(2), grid(EXTENT).expand(BATCH, -1, -1)
    for _ in range(DRAWS):
        split = BlockMasker(rectangular=how)(coords, EXTENT, generator, Rows(0, BATCH, BATCH))
        yield split.context, split.targets


def measure(draws):
    """Mean counts of kept tokens, and how often each row and each column is seen and asked for."""
    counts, coverage = [], torch.zeros(2, *EXTENT)
    for context, targets in draws:
        counts.append([context.shape[1], targets.shape[2]])
        for part, index in enumerate((context, targets)):
            coverage[part] += torch.bincount(index.flatten(), minlength=coverage[part].numel()).view(EXTENT)
    shares = coverage / (DRAWS * BATCH)
    return torch.tensor(counts, dtype=torch.float64), torch.cat([shares.mean(dim=1), shares.mean(dim=2)])


@pytest.mark.parametrize("how", ["first", "random"])
def test_both_sides_draw_from_one_distribution(how):
    (counts, coverage), (our_counts, our_coverage) = measure(plain(how)), measure(vectorized(how))
    error = (counts.var(dim=0) / DRAWS + our_counts.var(dim=0) / DRAWS).sqrt()
    assert ((counts.mean(dim=0) - our_counts.mean(dim=0)).abs() < 4 * error).all(), "numbers of kept tokens"
    assert (counts.std(dim=0) / our_counts.std(dim=0)).log().abs().max() < 0.5, "their spread"
    torch.testing.assert_close(our_coverage, coverage, atol=0.06, rtol=0.12)
