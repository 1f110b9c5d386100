"""Logistic regression against scikit-learn called plainly, few samples, and the choice of its strength."""

import numpy as np
import pytest
import torch
from probed import Projection
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jepakit.probes.logistic import Logistic, regressions
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject


def draw(samples, width, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % classes
    centers = torch.randn(classes, width, generator=torch.Generator().manual_seed(7))
    return 0.5 * centers[labels] + torch.randn(samples, width, generator=generator), labels


@pytest.mark.parametrize(("samples", "width", "classes"), [(200, 10, 3), (200, 10, 2), (30, 80, 3), (30, 80, 2)])
def test_each_strength_is_scikit_learns_regression(samples, width, classes):
    """Also where the samples are fewer than the features and the regression is sought in their span."""
    x, labels = draw(samples, width, classes)
    asked, _ = draw(100, width, classes, seed=1)
    for found in regressions(x.double(), labels, (0.1, 0.001), iterations=1000):
        plain = LogisticRegression(C=found.strength, max_iter=1000, tol=1e-8).fit(x.double().numpy(), labels.numpy())
        logits = asked.double() @ found.weight + found.bias
        expected = torch.from_numpy(np.atleast_2d(plain.predict_proba(asked.double().numpy())))
        torch.testing.assert_close(logits.softmax(dim=1), expected, rtol=0, atol=2e-3)
        assert found.predict(asked.double()).numpy().tolist() == plain.predict(asked.double().numpy()).tolist()


def test_strengths_are_tried_upwards_and_one_that_was_stopped_says_so():
    x, labels = draw(100, 10, 3)
    found = list(regressions(x, labels, (10.0, 0.1, 1.0), iterations=2))
    assert [each.strength for each in found] == [0.1, 1.0, 10.0]
    assert not found[0].converged


def test_classes_keep_their_numbers_where_some_have_no_sample():
    x, labels = draw(90, 10, 3)
    labels = torch.tensor([1, 4, 9])[labels]
    found = next(iter(regressions(x, labels, (1.0,), iterations=100)))
    assert (found.predict(x) == labels).double().mean() > 0.7


def test_measure_equals_the_pipeline_at_the_chosen_strength(parts):
    subject = Subject("jepa", Projection(), Splits.of(parts))
    result = Logistic().measure(subject, seed=0)
    table = next(table for table in subject.tables if table.view == result.chosen["view"])
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=result.chosen["C"], max_iter=1000))
    plain.fit(table.train.x.numpy(), table.train.labels.numpy())
    assert result.value == pytest.approx(plain.score(table.test.x.numpy(), table.test.labels.numpy()), abs=0.012)
    assert result.chosen["validation"] == pytest.approx(
        plain.score(table.validation.x.numpy(), table.validation.labels.numpy()), abs=0.02
    )
    assert result.labels == 120
    assert result.labels_to_choose == 60


def test_the_strength_is_chosen_with_few_and_the_regression_fitted_on_all(parts):
    subject = Subject("jepa", Projection(), Splits.of(parts))
    result = Logistic(choose_with=60).measure(subject, seed=0)
    table = next(table for table in subject.tables if table.view == result.chosen["view"]).standardized()
    few = Logistic(choose_with=60)._choose(table)[1]
    train, asked = (table.train.x, table.train.labels), (few.strength,)
    whole, cold = next(regressions(*train, asked, 300, few)), next(regressions(*train, asked, 300))
    assert result.value == (whole.predict(table.test.x) == table.test.labels).double().mean().item()
    assert not torch.allclose(few.weight, whole.weight, atol=0.02)
    torch.testing.assert_close(whole.weight, cold.weight, rtol=0, atol=0.02)


def test_no_strengths_are_refused():
    with pytest.raises(ValueError, match="at least one value of C"):
        Logistic(strengths=())
