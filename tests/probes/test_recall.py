"""Class-mean recall against NumPy written from its definition."""

import numpy as np
import pytest
import torch

from jepakit.probes.recall import class_mean_recall, guesses, prior_scores, ranks, recall, repeat_scores


def by_hand(scores, targets, count):
    """For each class that is present: how many of its rows have it among the first `count` of the sorted scores."""
    shares = []
    for label in np.unique(targets[targets >= 0]):
        first = np.argsort(-scores[targets == label], axis=1, kind="stable")[:, :count]
        shares.append(np.mean([label in row for row in first]))
    return float(np.mean(shares))


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("levels", [3, 1000])
def test_it_is_the_definition(count, levels):
    """With few levels, most scores are equal; some rows are unknown, some classes absent."""
    draw = np.random.default_rng(count)
    scores, targets = draw.integers(0, levels, (200, 11)).astype(np.float32), draw.integers(-1, 9, 200)
    targets[targets == 4] = 2
    found = ranks(torch.from_numpy(scores), torch.from_numpy(targets))
    value = float(class_mean_recall(found, torch.from_numpy(targets), count))
    assert value == pytest.approx(by_hand(scores, targets, count), abs=1e-12)


def test_classes_weigh_the_same_however_rare():
    targets = torch.tensor([0] * 99 + [1])
    found = ranks(torch.tensor([[1.0, 0.0]]).expand(100, -1), targets)
    assert float(class_mean_recall(found, targets, 1)) == 0.5
    assert found[-1] == 1


def test_several_heads_are_ranked_side_by_side():
    scores, targets = torch.randn(40, 3, 7), torch.arange(40) % 7
    found = ranks(scores, targets)
    for head in range(3):
        assert torch.equal(found[:, head], ranks(scores[:, head], targets))
    apart = torch.stack([class_mean_recall(found[:, head], targets, 2) for head in range(3)])
    torch.testing.assert_close(class_mean_recall(found, targets, 2), apart)


def test_a_head_that_is_not_finite_tells_nothing():
    scores = torch.tensor([[torch.nan, 1.0, 0.0], [3.0, 1.0, torch.inf], [3.0, 1.0, 0.0]])
    assert ranks(scores, torch.tensor([0, 0, 0])).tolist() == [3, 3, 0]
    assert ranks(scores, torch.tensor([-1, 1, -1])).tolist() == [3, 3, 3]


def test_five_guesses_need_six_classes():
    assert [guesses(classes) for classes in (1, 5, 6, 300)] == [1, 1, 5, 5]


def test_nothing_to_measure_is_said():
    with pytest.raises(ValueError, match="none of the actions to measure with was ever shown in training"):
        class_mean_recall(torch.zeros(2, dtype=torch.int64), torch.tensor([-1, -1]), 1)


def test_the_interval_is_over_videos():
    """Rows of one video stand and fall together: with a hundred alike in each, the interval is that of the videos."""
    videos = torch.arange(20).repeat_interleave(100)
    found, targets = (videos % 2) * 9, torch.zeros(2000, dtype=torch.int64)
    value, low, high = recall(found, targets, 1, videos)
    assert value == 0.5
    assert 0.2 < low < 0.35
    assert 0.65 < high < 0.8
    _, low, high = recall(found, targets, 1, torch.arange(2000))
    assert high - low < 0.06
    assert recall(found, targets, 1, videos) == recall(found, targets, 1, videos)


def test_baselines_say_what_is_frequent_and_what_was_last():
    train = torch.tensor([2, 2, 2, 0, 0, 3, -1])
    assert prior_scores(train, 4, 2).tolist() == [[2.0, 0.0, 3.0, 1.0]] * 2
    repeated = repeat_scores(train, 4, torch.tensor([1, -1, 3]))
    assert repeated.argsort(dim=1, descending=True)[:, :2].tolist() == [[1, 2], [2, 0], [3, 2]]
    assert ranks(repeated, torch.tensor([1, 1, 0])).tolist() == [0, 3, 2]
