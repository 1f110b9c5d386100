"""A cheap question: few labels, always the same ones, and the test part is left alone."""

import torch

from jepakit.data.images import Images
from jepakit.data.transforms import ImageTransform
from jepakit.evals.pace import few_labels, pace

DIGITS = Images(root="packaged:digits", transform=ImageTransform(size=8, channels=1, mean=(0.3,), std=(0.38,)))


def test_it_asks_few_of_the_labels_and_none_of_the_test_part():
    splits = few_labels(DIGITS, labels=300, held=100)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [300, 100, 1]
    assert torch.equal(splits.train.index, few_labels(DIGITS, labels=300, held=100).train.index)
    assert splits.test.name(0) == splits.validation.name(0)
    assert 0.7 < pace(None, splits, seed=0) <= 1
