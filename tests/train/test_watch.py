import pytest
import torch
from tiny_engine import Points, PointSet
from torch import nn

from jepakit.probes.rank import rank_me
from jepakit.tokens import Tokens
from jepakit.train.stops import Collapsed
from jepakit.train.watch import FIXED_SEED, Alarm, Watch, Watcher, draw_views, measure, require_finite


class Echo(nn.Module):
    """Features are the input, in evaluation mode only."""

    def forward(self, x):
        assert not self.training
        return Tokens(x.unsqueeze(1), torch.zeros(len(x), 1, 1))


class Seen(nn.Module):
    """A method that keeps an echo."""

    def __init__(self):
        super().__init__()
        self.kept = Echo()


class Embedded(Seen):
    """One that compares what a head makes of it: nearly the same for all samples."""

    def embed(self, x):
        return Tokens(1e-6 * x.unsqueeze(1) + 1, torch.zeros(len(x), 1, 1))


def hear(ranks, armed_from=0, meter="rank_me", **numbers):
    """The steps at which the alarm rings for a sequence of ranks, or of readings of another meter."""
    config, alarm = Watch(**numbers), Alarm()
    rings = []
    for step, read in enumerate(ranks):
        reading = {"rank_me": 9.0, "feature_std": 0.1, "mean_cosine": 0.9, meter: float(read)}
        if alarm.hear(config, reading, step, armed=step >= armed_from):
            rings.append(step)
    return rings


def test_a_healthy_run_rings_no_alarm():
    assert hear([20, 12, 9, 14, 25, 30, 28, 26]) == []


def test_a_fall_below_a_share_of_the_highest_rings_once():
    assert hear([40, 38, 30, 9, 8, 7, 6, 5], share=0.25, readings=3) == [5]


def test_one_healthy_reading_starts_the_count_again():
    assert hear([40, 9, 9, 20, 9, 9, 20], share=0.25, readings=3) == []


def test_the_floor_rings_where_the_rank_was_never_high():
    assert hear([2.5, 1.2, 1.1, 1.1], floor=2.0, readings=3) == [3]


def test_nothing_rings_before_the_alarm_is_armed():
    assert hear([40, 1, 1, 1, 1, 1, 1], armed_from=4, readings=3) == [6]


def test_the_sentence_says_what_was_seen_and_what_to_try():
    alarm = Alarm(highest=40.0, low=2)
    sentence = alarm.hear(Watch(), {"rank_me": 1.5, "feature_std": 0.01, "mean_cosine": 0.99}, 700, armed=True)
    assert sentence is not None
    for part in ("step 700", "1.5", "40.0", "0.99", "slower target", "optimizer.peak"):
        assert part in sentence


def test_features_that_are_nearly_the_same_ring_whatever_their_rank():
    for meter in ("spread", "embedding_spread"):
        assert hear([0.3, 0.1, 0.005, 0.004, 0.003], meter=meter) == [4]
        assert hear([0.03, 0.005, 0.005, 0.005, 0.005], meter=meter) == [], "a tenth of the first reading is left"
        assert hear([0.3, 0.02, 0.02, 0.02, 0.02], meter=meter) == []
        assert hear([0.3, 0.02, 0.02, 0.02, 0.02], meter=meter, spread=0.025) == [3]


def test_embeddings_may_ring_alone():
    assert hear([40, 38, 30, 5, 5, 5], meter="embedding_rank") == [5]
    assert hear([0.4, 0.1, 0.1, 0.1], meter="embedding_icc") == [3]
    assert hear([0.1, 0.13, 0.08, 0.08, 0.08], meter="embedding_icc") == [], "half of the highest is left"
    alarm = Alarm()
    readings = [{"rank_me": 9.0, "feature_std": 1.0, "mean_cosine": 0.1, "spread": 0.5, "embedding_rank": 9.0,
                 "embedding_spread": value} for value in (0.4, 1e-5, 1e-5, 1e-5)]  # fmt: skip
    told = [alarm.hear(Watch(), reading, step, armed=True) for step, reading in enumerate(readings)]
    assert told[:3] == [None] * 3
    assert told[3] is not None
    assert "the embedding collapsed: at step 3 1e-05 of its squared length differs" in told[3]


def test_views_are_fixed_and_differ_within_a_sample():
    dataset = Points(count=50).build()
    views = draw_views(dataset, 8, 3)
    assert views.shape == (3, 8, 6)
    assert torch.equal(views, draw_views(dataset, 8, 3))
    assert not torch.equal(views[0], views[1])


def test_small_and_broken_data_are_watched_with_what_there_is():
    assert draw_views(Points(count=5, broken=(2,)).build(), 64, 2).shape == (2, 4, 6)
    with pytest.raises(ValueError, match="3 readable samples"):
        draw_views(Points(count=4, broken=(0, 1)).build(), 64, 2)


class Uneven(PointSet):
    """Points, of which the first one has a dimension too many."""

    def get(self, index, epoch, seed):
        sample = super().get(index, epoch, seed)
        return {"x": torch.cat([sample["x"], sample["x"][:1]])} if index == 0 else sample


class Two(Uneven):
    """A mixture, to which uneven points came first."""

    first_source = Uneven(8, 6, (), wide=False)


def test_samples_of_another_shape_and_later_sources_are_left_out():
    uneven = Two.first_source
    expected = torch.stack([torch.stack([uneven.get(i, v, FIXED_SEED)["x"] for i in range(1, 8)]) for v in range(2)])
    assert torch.equal(draw_views(uneven, 8, 2), expected)
    assert torch.equal(draw_views(Two(1000, 6, (), wide=False), 8, 2), expected)
    with pytest.raises(ValueError, match="gave 2 of 3"):
        draw_views(Uneven(3, 6, (), wide=False), 8, 2)


def test_readings_are_those_of_the_features_whatever_the_batch():
    watcher = Watcher(Watch(samples=8, views=3), Points(count=50).build())
    method = Seen()
    one = watcher.read(method, torch.device("cpu"), batch=5)
    assert method.training
    assert method.kept.training
    assert one == watcher.read(method, torch.device("cpu"), batch=100)
    views = draw_views(Points(count=50).build(), 8, 3)
    assert one["rank_me"] == pytest.approx(rank_me(views.flatten(0, 1)))
    assert one["lidar"] > 1
    assert "embedding_rank" not in one
    both = watcher.read(Embedded(), torch.device("cpu"), batch=100)
    assert both["embedding_spread"] < 1e-9 < 0.1 < both["spread"]
    assert both["embedding_rank"] < 1.1 < both["rank_me"]
    assert {name: both[name] for name in one} == one


def test_a_collapse_is_told_from_health_by_every_meter():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(32, 1, 16, generator=generator)
    noise = 0.1 * torch.randn(32, 4, 16, generator=generator)
    healthy = measure(points + noise)
    collapsed = measure(0.001 * points + 0.0001 * noise + torch.ones(16))
    assert healthy["rank_me"] > 10 > 1.1 > collapsed["rank_me"]
    assert healthy["feature_std"] > 0.5 > 0.01 > collapsed["feature_std"]
    assert healthy["mean_cosine"] < 0.2 < 0.99 < collapsed["mean_cosine"]


def test_features_that_are_no_numbers_are_the_worst_collapse():
    features = torch.zeros(4, 2, 3)
    features[1, 0, 2] = float("nan")
    with pytest.raises(Collapsed, match="not finite"):
        measure(features)


def test_a_loss_must_be_a_number():
    require_finite({"a": 1.0}, 3)
    with pytest.raises(Collapsed, match="at step 3 the loss b is inf"):
        require_finite({"a": 1.0, "b": float("inf")}, 3)
