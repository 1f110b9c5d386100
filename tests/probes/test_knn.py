"""Nearest neighbors against a plain loop, and the online reading."""

import math
from collections import Counter

import pytest
import torch
from probed import Arrays, Parts, Projection, pictures

from jepakit.config import Config
from jepakit.probes.knn import Knn, classify
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject


def vote_by_hand(train, labels, row, k, temperature):
    similarity = [float(row @ other / row.norm() / other.norm()) for other in train]
    votes = Counter()
    for index in sorted(range(len(train)), key=lambda index: -similarity[index])[:k]:
        votes[int(labels[index])] += math.exp(similarity[index] / temperature)
    return max(votes, key=votes.__getitem__)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (7, 0.07), (15, 1.0)])
def test_votes_are_those_of_a_plain_loop(k, temperature):
    generator = torch.Generator().manual_seed(0)
    train, test = torch.randn(60, 5, generator=generator), torch.randn(40, 5, generator=generator)
    labels = torch.randint(0, 4, (60,), generator=generator)
    expected = [vote_by_hand(train.double(), labels, row.double(), k, temperature) for row in test]
    assert classify(train, labels, test, k, temperature).tolist() == expected


def test_a_small_temperature_listens_to_the_nearest_alone_and_never_overflows():
    train, labels = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.9, 0.11]]), torch.tensor([0, 1, 1])
    row = torch.tensor([[1.0, 0.001]])
    assert classify(train, labels, row, 3, 1.0).tolist() == [1]
    assert classify(train, labels, row, 3, 1e-6).tolist() == [0]


def test_more_neighbors_than_samples_are_all_samples():
    train, labels = torch.eye(3), torch.tensor([0, 1, 1])
    assert classify(train, labels, torch.eye(3)[:1], 20, 0.07).tolist() == [0]


def test_measure_reports_the_chosen_view_on_test(parts):
    result = Knn(k=5).measure(Subject("jepa", Projection(), Splits.of(parts)), seed=3)
    assert (result.probe, result.subject, result.seeds) == ("knn", "jepa", (3,))
    assert result.splits == {"train": 120, "validation": 60, "test": 90}
    assert result.chosen["view"] in ("last", "last4")
    assert result.value > 0.8
    assert result.low < result.value < result.high
    assert Config.from_json(result.settings) == Knn(k=5)


def test_online_reading_sees_a_balanced_part_of_train_and_validation_and_never_test(parts):
    parts.parts["test"] = None
    reading = Knn(k=5, online_train=30, online_validation=30).online(Projection(), parts, torch.device("cpu"))
    assert reading["knn"] > 0.7
    shuffled = Parts(parts.parts["train"], None, parts.parts["validation"])
    labels = shuffled.parts["train"].labels
    shuffled.parts["train"].labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(5))]
    assert Knn(k=5).online(Projection(), shuffled, torch.device("cpu"))["knn"] < 0.6


def test_online_reading_says_nothing_without_labels():
    unlabeled = Parts(Arrays(pictures(4).x), None, None)
    assert Knn().online(Projection(), unlabeled, torch.device("cpu")) == {}
