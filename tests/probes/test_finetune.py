"""Fine-tuning trains a copy, from pretrained or from random weights, on exactly the labels it was given."""

import pytest
import torch
from probed import Projection

from jepakit.probes.finetune import FineTune
from jepakit.probes.lowshot import PerClass, Share
from jepakit.probes.splits import Splits
from jepakit.probes.subject import Subject

SMALL = FineTune(rates=(0.01,), steps=40, batch=32)


@pytest.mark.parametrize("name", ["jepa", "raw pixels"])
def test_it_learns(parts, name):
    result = SMALL.measure(Subject(name, Projection() if name == "jepa" else None, Splits.of(parts)), seed=1)
    assert result.value > 0.75
    assert (result.labels, result.labels_to_choose, result.chosen) == (120, 0, {})
    assert result.interval == "Wilson over the test samples"


def test_no_features_are_computed_beside(parts):
    subject = Subject("jepa", Projection(), Splits.of(parts))
    result = SMALL.measure(subject, seed=1)
    assert "tables" not in vars(subject)
    assert (result.splits["train"], result.splits["validation"]) == (120, 0)


def test_the_backbone_itself_is_not_touched_and_a_frozen_copy_learns(parts):
    backbone = Projection().requires_grad_(False)
    before = backbone.project.clone()
    subject = Subject("jepa", backbone, Splits.of(parts))
    fitted = SMALL._fit(subject, subject.splits.augmented, 0.01, 0)
    assert backbone.project.equal(before)
    assert not backbone.project.requires_grad
    assert not fitted.encoder.project.equal(before)


def test_the_same_seed_gives_the_same_weights(parts):
    """Also with dropout, and without disturbing torch's own generator."""
    subject = Subject("jepa", Projection(), Splits.of(parts))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (SMALL._fit(subject, subject.splits.augmented, 0.01, seed) for seed in (3, 3, 4))
    assert torch.get_rng_state().equal(state)
    assert first.encoder.project.equal(again.encoder.project)
    assert not first.encoder.project.equal(other.encoder.project)


def test_the_rate_is_chosen_on_validation(parts):
    result = FineTune(rates=(1e-9, 0.01), steps=30, batch=32).measure(
        Subject("jepa", Projection(), Splits.of(parts)), seed=0
    )
    assert result.chosen["rate"] == 0.01
    assert result.labels_to_choose == 60
    assert result.chosen_on == "validation split"


def test_few_labels_are_drawn_again_and_again(parts):
    probe = FineTune(amount=PerClass(labels=4), rates=(0.01,), steps=15, batch=12, draws=3)
    result = probe.measure(Subject("jepa", Projection(), Splits.of(parts)), seed=7)
    assert (result.probe, result.labels, result.seeds) == ("finetune4", 12, (7, 8, 9))
    assert result.interval == "Student's t over 3 repetitions"
    assert FineTune(amount=Share(share=0.01)).name == "finetune1%"


def test_few_labels_choose_their_rate_among_themselves(parts):
    probe = FineTune(amount=PerClass(labels=8), rates=(1e-9, 0.01), steps=30, batch=12, draws=2)
    before = probe.measure(Subject("jepa", Projection(), Splits.of(parts)), seed=0)
    assert {each["rate"] for each in before.chosen["each"]} <= {1e-9, 0.01}
    assert before.labels_to_choose == 0
    parts.parts["validation"].labels = (parts.parts["validation"].labels + 1) % 3
    after = probe.measure(Subject("jepa", Projection(), Splits.of(parts)), seed=0)
    assert after.values == before.values


def test_no_rates_are_refused():
    with pytest.raises(ValueError, match="at least one learning rate"):
        FineTune(rates=())
