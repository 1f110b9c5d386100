"""A grid of heads at once is exactly that many heads trained alone by torch's SGD."""

import torch
import torch.nn.functional as F
from probed import Projection
from torch import nn

from jepakit.config import Config
from jepakit.probes.linear import Linear, LinearHeads, predict, train
from jepakit.probes.splits import Splits, minibatches
from jepakit.probes.subject import Subject
from jepakit.schedules import cosine

SMALL = Linear(rates=(0.01, 0.1), decays=(0.0, 0.01), steps=60, batch=16)


def train_alone(x, labels, rate, decay, settings):
    """One head by the book: torch's own SGD with rate, momentum and weight decay."""
    head = nn.Linear(x.shape[1], int(labels.max()) + 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    groups = [{"params": [head.weight], "weight_decay": decay}, {"params": [head.bias], "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=settings.momentum)
    generator = torch.Generator().manual_seed(4)
    for step, rows in enumerate(minibatches(len(x), settings.batch, settings.steps, generator)):
        for group in optimizer.param_groups:
            group["lr"] = rate * cosine(1.0, 0.0)(step / settings.steps)
        optimizer.zero_grad()
        F.cross_entropy(head(x[rows]), labels[rows]).backward()
        optimizer.step()
    return head


def test_every_head_is_the_head_trained_alone():
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.randn(50, 7, generator=generator), torch.randint(0, 3, (50,), generator=generator)
    rates, decays = torch.tensor(SMALL._grid()).unbind(1)
    heads = LinearHeads(7, 3, rates, decays)
    train(heads, x, labels, SMALL, torch.Generator().manual_seed(4))
    for index, (rate, decay) in enumerate(SMALL._grid()):
        alone = train_alone(x, labels, rate, decay, SMALL)
        torch.testing.assert_close(heads(x)[:, index], alone(x), rtol=1e-4, atol=1e-5)
        assert predict(heads, x)[:, index].equal(alone(x).argmax(1))


def test_a_head_that_diverges_spoils_no_other():
    generator = torch.Generator().manual_seed(0)
    x, labels = torch.randn(50, 7, generator=generator) * 100, torch.randint(0, 3, (50,), generator=generator)
    wild = Linear(rates=(1e-5, 1e38), decays=(0.0,), steps=20, batch=16)
    tame = Linear(rates=(1e-5,), decays=(0.0,), steps=20, batch=16)
    found = []
    for settings in (wild, tame):
        heads = LinearHeads(7, 3, *torch.tensor(settings._grid()).unbind(1))
        train(heads, x, labels, settings, torch.Generator().manual_seed(0))
        found.append(predict(heads, x))
    assert (found[0][:, 1] == -1).all()
    assert found[0][:, 0].equal(found[1][:, 0])


def test_the_choice_is_made_on_validation_and_one_head_is_reported_on_test(parts):
    subject = Subject("jepa", Projection(), Splits.of(parts))
    result = SMALL.measure(subject, seed=1)
    assert result.value > 0.8
    assert len(result.values) == 1
    assert result.chosen["rate"] in SMALL.rates
    assert result.chosen_on == "validation split"
    assert Config.from_json(result.settings) == SMALL
    again = SMALL.measure(subject, seed=1)
    assert (again.value, again.chosen) == (result.value, result.chosen)


def test_wrong_test_labels_change_the_figure_but_never_the_choice(parts):
    before = SMALL.measure(Subject("jepa", Projection(), Splits.of(parts)), seed=1)
    parts.parts["test"].labels = (parts.parts["test"].labels + 1) % 3
    after = SMALL.measure(Subject("jepa", Projection(), Splits.of(parts)), seed=1)
    assert after.chosen == before.chosen
    assert after.value < 0.2
