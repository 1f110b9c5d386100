"""Few labels: how many are drawn, that the others are never looked at, and what the interval is over."""

import pytest
import torch
from probed import Parts, Projection, pictures
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from jepakit.config import Config
from jepakit.probes.lowshot import LowShot, PerClass, Share, repetitions
from jepakit.probes.result import over_repeats
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject

QUICK = {"strengths": (1e-3, 1e-2, 1e-1), "iterations": 100}


def subject(parts):
    return Subject("jepa", Projection(), Splits.of(parts))


@pytest.mark.parametrize(
    ("amount", "labels", "classes", "expected"),
    [
        (PerClass(labels=12), 55_000, 10, 12),
        (Share(share=0.01), 55_000, 10, 55),
        (Share(share=0.1), 55_000, 10, 550),
        (Share(share=0.01), 1_300, 10, 5),
        (Share(share=0.01, at_least=3), 1_300, 10, 3),
    ],
)
def test_labels_of_a_class(amount, labels, classes, expected):
    assert amount.per_class(torch.arange(labels) % classes) == expected


def test_draws_are_five_or_twenty_where_they_are_small():
    assert [repetitions(None, labels) for labels in (99, 100, 5000)] == [20, 5, 5]
    assert repetitions(3, 99) == 3


def test_names_tell_the_amount():
    assert LowShot().name == "lowshot12"
    assert LowShot(amount=Share(share=0.01)).name == "lowshot1%"
    assert LowShot(amount=Share(share=0.1)).name == "lowshot10%"


def test_every_draw_is_balanced_and_depends_on_its_seed(parts):
    labels = parts.parts["train"].labels
    first, again, other = (LowShot(amount=PerClass(labels=7)).drawn(labels, seed) for seed in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)
    assert labels[first].bincount().tolist() == [7, 7, 7]
    assert len(first.unique()) == 21


def test_measure_states_labels_draws_and_their_interval(parts):
    probe = LowShot(amount=PerClass(labels=4), draws=3, **QUICK)
    result = probe.measure(subject(parts), seed=10)
    assert (result.labels, result.labels_to_choose, result.seeds) == (12, 0, (10, 11, 12))
    assert len(result.values) == 3
    assert result.value == pytest.approx(sum(result.values) / 3)
    assert (result.low, result.high) == over_repeats(result.values)
    assert result.value > 0.6
    assert len(result.chosen["each"]) == 3
    assert Config.from_json(result.settings) == probe


def test_labels_that_were_not_drawn_are_never_looked_at(parts):
    """Not to fit, not to choose: all other labels may be wrong, those of the validation split too."""
    probe = LowShot(amount=PerClass(labels=4), draws=2, **QUICK)
    before = probe.measure(subject(parts), seed=0)
    train = parts.parts["train"]
    drawn = torch.cat([probe.drawn(train.labels, seed) for seed in (0, 1)])
    spoilt = pictures(40, seed=1)
    # A swap of labels within a class order would change the draws themselves, so that the draws are handed over.
    hidden = torch.ones(len(train), dtype=torch.bool)
    hidden[drawn] = False
    spoilt.labels = torch.where(hidden, (train.labels + 1) % 3, train.labels)
    validation = pictures(20, seed=3)
    validation.labels = (validation.labels + 1) % 3
    rows = {seed: probe.drawn(train.labels, seed) for seed in (0, 1)}

    class Handed(LowShot):
        def drawn(self, labels, seed):
            return rows[seed]

    handed = Handed(amount=PerClass(labels=4), draws=2, **QUICK)
    after = handed.measure(subject(Parts(spoilt, parts.parts["test"], validation)), seed=0)
    assert after.values == before.values
    assert after.chosen == before.chosen


def test_strength_is_chosen_as_scikit_learn_would(parts):
    probe = LowShot(amount=PerClass(labels=12), draws=2, **QUICK)
    table = subject(parts).tables[0].standardized()
    rows = probe.drawn(table.train.labels, 0)
    x, labels = table.train.x[rows], table.train.labels[rows]
    strength, score = probe._choose(x, labels, 0)
    plain = [cross_val_score(LogisticRegression(C=c), x.numpy(), labels.numpy(), cv=3).mean() for c in probe.strengths]
    assert strength in probe.strengths
    assert score == pytest.approx(max(plain), abs=0.1)


def test_too_few_labels_for_the_folds_are_refused(parts):
    with pytest.raises(ValueError, match="fewer labels than the 3 folds"):
        LowShot(amount=PerClass(labels=2)).measure(subject(parts), seed=0)
    with pytest.raises(ValueError, match="at least 2 draws"):
        LowShot(draws=1)
