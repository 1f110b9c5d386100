"""No sample is in two splits, draws are balanced and repeatable, and data without labels is refused."""

import pytest
import torch
from probed import Arrays, Parts, pictures

from jepakit.probes.splits import Splits, Subset, balanced, minibatches, stratified


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_given_splits_are_taken_as_they_are(parts):
    splits = Splits.of(parts)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [120, 60, 90]
    assert splits.chosen_on == "validation split"


def test_without_a_validation_split_a_tenth_of_each_class_is_held_out(parts):
    parts.parts["validation"] = None
    splits = Splits.of(parts)
    train, held = ({part.name(i) for i in range(len(part))} for part in (splits.train, splits.validation))
    assert not train & held
    assert len(train | held) == 120
    assert splits.validation.labels.bincount().tolist() == [4, 4, 4]
    assert "10%" in splits.chosen_on
    again = Splits.of(parts)
    assert [again.validation.name(i) for i in range(12)] == [splits.validation.name(i) for i in range(12)]


def test_augmented_samples_are_those_of_the_training_split(parts):
    parts.parts["validation"], parts.noise = None, 0.5
    splits = Splits.of(parts)
    assert [splits.augmented.name(i) for i in range(108)] == [splits.train.name(i) for i in range(108)]
    first, second, plain = splits.augmented.get(3, 0, 0), splits.augmented.get(3, 1, 0), splits.train.get(3, 1, 0)
    assert not first["x"].equal(second["x"])
    assert plain["x"].equal(splits.train.get(3, 0, 0)["x"])


def test_data_without_labels_or_test_is_refused():
    unlabeled = Arrays(pictures(3).x)
    parts = Parts(unlabeled, unlabeled)
    parts.parts["train"] = parts.parts["test"] = None
    with pytest.raises(ValueError, match=r"labeled training and test samples.*put each class into a folder of its own"):
        Splits.of(parts)


def test_data_that_are_too_few_for_all_parts_are_counted_by_part_and_class():
    """Their classes lie in folders of their own already."""
    few, more = pictures(3, classes=2), pictures(1, classes=8)
    with pytest.raises(ValueError, match=r"train: 3 0, 3 1; validation: none; test: none\): bring more samples"):
        Splits.of(Parts(few, None))
    with pytest.raises(ValueError, match=r"train: 1 0, 1 1, 1 2, 1 3, 4 classes more; validation: 3 0, 3 1; test"):
        Splits.of(Parts(more, None, few))
    with pytest.raises(ValueError, match="train: none; validation: none; test: 3 0, 3 1"):
        Splits.of(Parts(None, few))


def test_a_single_class_is_refused():
    with pytest.raises(ValueError, match="at least 2 classes"):
        Splits.of(Parts(pictures(3, classes=1), pictures(3, classes=1)))


def test_draws_hold_the_asked_number_of_each_class():
    labels = torch.tensor([0] * 50 + [1] * 30 + [5] * 3)
    assert labels[balanced(labels, 10, seeded(0))].bincount().tolist() == [10, 10, 0, 0, 0, 3]
    assert labels[stratified(labels, 0.1, seeded(0))].bincount().tolist() == [5, 3, 0, 0, 0, 1]
    assert balanced(labels, 10, seeded(0)).equal(balanced(labels, 10, seeded(0)))
    assert not balanced(labels, 10, seeded(0)).equal(balanced(labels, 10, seeded(1)))


def test_a_subset_is_a_dataset_of_its_own():
    whole = pictures(5)
    part = Subset(whole, torch.tensor([7, 2, 9]))
    assert part.name(1) == "picture 2"
    assert part.get(0, 0, 0)["x"].equal(whole.x[7])
    assert part.labels.equal(whole.labels[[7, 2, 9]])
    assert sorted(part.order(0, 0).tolist()) == [0, 1, 2]
    assert part.order(3, 1).equal(part.order(3, 1))


def test_minibatches_take_every_sample_once_a_round():
    rounds = torch.stack(list(minibatches(20, 5, 8, seeded(0))))
    assert rounds[:4].flatten().sort()[0].tolist() == list(range(20))
    assert rounds[4:].flatten().sort()[0].tolist() == list(range(20))
    assert not rounds[:4].equal(rounds[4:])
    assert [len(rows) for rows in minibatches(3, 512, 4, seeded(0))] == [3] * 4
