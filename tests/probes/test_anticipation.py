"""Anticipation: what is read of encoder and predictor, the focal loss, and heads that learn on held-out choices."""

from dataclasses import replace

import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import BrokenSample
from jepakit.family.vjepa import TINY as VJEPA
from jepakit.family.vjepa2 import TINY as VJEPA2
from jepakit.family.vjepa21 import TINY as VJEPA21
from jepakit.probes.anticipation import Anticipation, AnticipationClassifier, focal_loss
from jepakit.probes.foresight import Anticipated, Foresight, Kept, Live
from jepakit.probes.told import BASELINES, measure_baselines
from jepakit.tokens import Places

SMALL = Anticipation(blocks=1, rates=(1e-2, 1e-9), decays=(0.01,), steps=40, batch=32, heads=2)


class Foreseen:
    """Clips of 4 frames, whose brightness says the verb, and whose color the noun."""

    sizes = (2, 2, 4)
    tubelets_per_second = 2.0
    classes = None

    def __init__(self, count, broken=(), seed=0, unseen=()):
        draw = torch.Generator().manual_seed(seed)
        verbs, nouns = torch.randint(2, (2, count), generator=draw)
        self.targets = torch.stack([verbs, nouns, 2 * verbs + nouns], dim=1)
        self.targets[list(unseen), 2] = -1
        self.labels, self.broken, self.videos = self.targets[:, 2], set(broken), torch.arange(count) // 4
        self.previous = self.targets.roll(1, dims=0)
        self.noise = 0.3 * torch.randn(count, 3, 4, 32, 32, generator=draw)

    def __len__(self):
        return len(self.targets)

    def get(self, index, epoch, seed):
        if index in self.broken:
            raise BrokenSample(f"{self.name(index)} cannot be read")
        verb, noun, _ = self.targets[index].tolist()
        x = self.noise[index] + 2.0 * verb - 1
        x[2 * noun] += 2.0
        return {"x": x + 0.001 * epoch, "label": self.labels[index]}

    def order(self, epoch, seed):
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(epoch))

    def name(self, index):
        return f"clip {index}"

    def seconds(self, index, epoch, seed):
        return 0.5 * (index % 3) + 0.25 * (epoch % 2)


def foresight(config=VJEPA2):
    torch.manual_seed(0)
    return Foresight.of(config.build().eval())


def test_the_predictor_is_asked_for_the_step_of_time_that_is_so_far_ahead():
    method = VJEPA2.build().eval()
    torch.nn.init.normal_(method.predictor.mask_tokens)
    asked = []
    spy = Foresight(method.kept, lambda *words: asked.append(words) or method.predictor(*words), family=1)
    x = torch.randn(2, 3, 4, 32, 32)
    values = spy(x, torch.tensor([0, 3]))
    context, places, family = asked[0]
    assert family == 1
    assert context.extent == (2, 4, 4)
    assert values.shape == (2, 32 + 16, 48)
    assert places.coords[:, 0, :, 0].tolist() == [[2.0] * 16, [5.0] * 16]
    assert places.coords[0, 0, :, 1:].tolist() == [[row, column] for row in range(4) for column in range(4)]
    assert torch.equal(values[:, :32], method.kept(x).values)
    alone = Places(places.coords[1:], beyond=4)
    foreseen = method.predictor(method.kept(x[1:]), alone, 1).places.values
    torch.testing.assert_close(values[1:, 32:], foreseen, atol=1e-5, rtol=1e-5)
    assert torch.equal(spy(x, torch.tensor([0, 3]), "encoder"), values[:, :32])
    torch.testing.assert_close(spy(x, torch.tensor([0, 3]), "predictor"), values[:, 32:])


@pytest.mark.parametrize("config", [VJEPA, VJEPA2, replace(VJEPA2, positions="released"), VJEPA21])
def test_every_member_foresees(config):
    """Sines, both rotary positions, and levels side by side; other moments and longer clips give other tokens."""
    model = foresight(config)
    with torch.no_grad():
        for parameter in model.predictor.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(1, 3, config.frames, 32, 32)
    near, far = (model(x, torch.tensor([ahead]), "predictor") for ahead in (0, 2))
    assert near.shape[1] == config.extent[1] * config.extent[2]
    assert not torch.allclose(near, far, atol=1e-3)
    assert model(x, torch.tensor([1])).shape[1] == (config.extent[0] + 1) * near.shape[1]
    assert model(x.repeat(1, 1, 2, 1, 1), torch.tensor([1]), "predictor").isfinite().all()


def test_tokens_of_other_widths_cannot_be_read_side_by_side():
    model = foresight(replace(VJEPA, target="pixels"))
    with pytest.raises(ValueError, match="are 48 wide, the predictor's 384, so they cannot be read side by side"):
        model(torch.randn(1, 3, 4, 32, 32), torch.tensor([0]))


def test_kept_tokens_are_those_that_are_computed_live():
    data, model = Foreseen(7, broken=(2,)), foresight()
    assert isinstance(data, Anticipated)
    kept = Kept.of(model, data, draws=2, batch=3)
    for epoch in (0, 1, 3):
        for reads in ("both", "encoder", "predictor"):
            found = list(kept.only(reads).read([5, 2, 0, 6], 2, epoch))
            live = list(Live(model, data, reads).read([5, 2, 0, 6], 2, epoch % 2))
            assert [seen.index for seen in found] == [seen.index for seen in live] == [(5,), (0, 6)]
            assert [seen.unreadable for seen in found] == [seen.unreadable for seen in live] == [("clip 2",), ()]
            for one, other in zip(found, live, strict=True):
                torch.testing.assert_close(one.values, other.values, atol=5e-3, rtol=5e-3)


def test_focal_loss_is_its_formula():
    logits, targets = torch.randn(5, 4, dtype=torch.float64), torch.tensor([0, 3, -1, 2, 2])
    total = 0.0
    for row, target in zip(logits.sigmoid().tolist(), targets.tolist(), strict=True):
        for label, p in enumerate(row):
            if label == target:
                total += -0.25 * (1 - p) ** 2 * torch.tensor(p).double().log()
            else:
                total += -0.75 * p**2 * torch.tensor(1 - p).double().log()
    torch.testing.assert_close(focal_loss(logits, targets), total / 5)
    far = focal_loss(torch.full((1, 3), -500.0), torch.tensor([1]))
    torch.testing.assert_close(far, torch.tensor(125.0))


@pytest.mark.parametrize("depth", [1, 3])
def test_each_question_has_a_query(depth):
    torch.manual_seed(0)
    head, x = AnticipationClassifier(12, 3, depth, (5, 6, 9)), torch.randn(2, 7, 12)
    assert [logits.shape for logits in head(x)] == [(2, 5), (2, 6), (2, 9)]
    before = head(x)
    with torch.no_grad():
        head.pooler.query_tokens[:, 1] += 1
    after = head(x)
    assert [torch.equal(one, other) for one, other in zip(before, after, strict=True)] == [True, False, True]
    even = AnticipationClassifier(12, 3, 1, (5, 6, 9)).classifiers[0].bias.sigmoid()
    torch.testing.assert_close(even, torch.full((5,), 0.2))
    with pytest.raises(ValueError, match="5 heads do not divide a width of 12"):
        AnticipationClassifier(12, 5, 1, (2, 2, 2))
    with pytest.raises(ValueError, match="depth=0"):
        AnticipationClassifier(12, 3, 0, (2, 2, 2))


@pytest.fixture(scope="module")
def kept():
    model = foresight()
    parts = (
        Foreseen(97, broken=(96,), seed=1),
        Foreseen(32, broken=(3,), seed=2),
        Foreseen(40, broken=(0,), seed=3, unseen=(5,)),
    )
    return [Kept.of(model, part) for part in parts]


def test_measure_learns_and_reports_one_head(kept):
    result = SMALL.measure("V-JEPA 2", *kept, seed=0)
    assert result.probe == "anticipation1"
    assert result.metric == "class-mean recall@1 of actions"
    assert result.value > 0.7
    assert result.low <= result.value <= result.high
    assert result.chosen["rate"] == 1e-2
    assert result.chosen["best_of_grid_on_test"] >= result.value
    assert result.unreadable == {"train": ("clip 96",), "validation": ("clip 3",), "test": ("clip 0",)}
    assert result.splits == {"train": 96, "validation": 31, "test": 39}
    assert result.others["actions never shown in training"] == 1
    assert result.others["action recall@1"] == result.value
    assert {"verb recall@1", "noun recall@1"} <= result.others.keys()
    assert Config.from_json(result.settings) == SMALL
    again = SMALL.measure("V-JEPA 2", *kept, seed=0, also={"the same": kept[2], "held out": kept[1]})
    assert again.value == result.value == again.others["the same"]
    assert again.others["held out"] == again.chosen["validation"]


def test_live_clips_train_as_well():
    model = foresight()
    parts = [Live(model, Foreseen(16, seed=seed), "encoder") for seed in range(3)]
    short = replace(SMALL, steps=3, batch=8)
    assert 0 <= short.measure("V-JEPA 2", *parts, seed=0).value <= 1


def test_baselines_see_no_clip(kept):
    prior, last = measure_baselines(*[part.dataset for part in kept])
    assert (prior.subject, last.subject) == BASELINES
    assert prior.value == 0.25
    test = kept[2].dataset
    hits = [(test.previous[test.targets[:, 2] == action, 2] == action).double().mean().item() for action in range(4)]
    assert last.value == pytest.approx(sum(hits) / 4)
    assert prior.chosen == {}


def test_data_of_which_nothing_can_be_read_is_said():
    data = Foreseen(3, broken=(0, 1, 2))
    with pytest.raises(ValueError, match="none of the 3 clips can be read; the first is clip 0"):
        Kept.of(foresight(), data)
    live = Live(foresight(), data)
    with pytest.raises(ValueError, match="none of the 3 training clips can be read"):
        SMALL.measure("V-JEPA 2", live, live, live, seed=0)
