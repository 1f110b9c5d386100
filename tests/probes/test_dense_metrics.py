"""Figures of segmentation and depth against plain loops over pixels in NumPy."""

import numpy as np
import pytest
import torch

from jepakit.probes.dense_metrics import confusion, depth_sums, iou, resampled, rmse


def iou_slowly(found, truth, classes):
    """Class by class, of all pixels that are known."""
    known, values = truth >= 0, []
    for kind in range(classes):
        there, said = (truth == kind) & known, (found == kind) & known
        union = (there | said).sum()
        values.append((there & said).sum() / union if union else np.nan)
    return values


def test_iou_is_that_of_loops_over_classes():
    random = np.random.default_rng(0)
    found, truth = random.integers(0, 4, (5, 7, 9)), random.integers(-1, 4, (5, 7, 9))
    truth[truth == 2] = -1
    found[found == 2] = 0
    tables = confusion(torch.from_numpy(found), torch.from_numpy(truth), 4)
    assert tables.sum() == (truth >= 0).sum()
    for picture in range(5):
        expected = iou_slowly(found[picture], truth[picture], 4)
        np.testing.assert_allclose(iou(tables[picture]).numpy(), expected)
    np.testing.assert_allclose(iou(tables.sum(dim=0)).numpy(), iou_slowly(found, truth, 4))
    assert iou(tables.sum(dim=0))[2].isnan(), "a class that neither is there nor was found"


def test_errors_of_depth_are_those_of_the_formulas():
    random = np.random.default_rng(0)
    found, truth = random.uniform(1, 5, (3, 6, 8)), random.uniform(1, 5, (3, 6, 8))
    truth[0, :2], truth[1, 0, 0], truth[2, 3, 3] = 0, np.nan, np.inf
    sums = depth_sums(torch.from_numpy(found), torch.from_numpy(truth))
    good = np.isfinite(truth) & (truth > 0)
    p, t = found[good], truth[good]
    total = sums.sum(dim=0)
    assert total[0] == good.sum() == 3 * 48 - 16 - 2
    assert rmse(total).item() == pytest.approx(np.sqrt(((p - t) ** 2).mean()))
    assert (total[2] / total[0]).item() == pytest.approx((np.abs(p - t) / t).mean())
    assert (total[3] / total[0]).item() == pytest.approx((np.maximum(p / t, t / p) < 1.25).mean())


def test_the_interval_is_as_wide_as_theory_says():
    """The root of a mean of squares of 400 samples: 1.96 standard errors to either side, by the delta method."""
    squares = np.random.default_rng(1).exponential(4.0, 400)
    sums = torch.from_numpy(np.stack([np.ones(400), squares, squares, squares], axis=1))
    low, high = resampled(sums, rmse)
    value = np.sqrt(squares.mean())
    half = 1.96 * squares.std() / np.sqrt(400) / (2 * value)
    assert low < value < high
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert resampled(sums, rmse) == (low, high)
