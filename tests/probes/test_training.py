"""The stream of batches, the path of the rate, and which parameters decay."""

import pytest
import torch
from probed import pictures
from torch import nn

from jepakit.probes.training import decay_groups, descend, stream, told_right


def test_the_stream_goes_through_epochs_in_the_order_of_the_data():
    dataset = pictures(4)
    read = list(stream(dataset, 5, 7, seed=3))
    seen = [number for batch in read for number in batch.index]
    assert len(read) == 7
    assert seen[:12] == dataset.order(0, 3).tolist()
    assert seen[12:24] == dataset.order(1, 3).tolist()


def test_broken_samples_are_left_out_of_the_stream():
    read = list(stream(pictures(4, broken=(0, 1, 2)), 4, 6, seed=0))
    assert not {0, 1, 2} & {number for batch in read for number in batch.index}
    with pytest.raises(ValueError, match="none of the 3 training samples can be read"):
        list(stream(pictures(1, broken=(0, 1, 2)), 4, 6, seed=0))


def test_the_rate_rises_and_falls_to_nothing():
    optimizer = torch.optim.SGD([{"params": [nn.Parameter(torch.ones(1))], "lr": rate} for rate in (1.0, 0.1)], lr=0.0)
    rates = [[group["lr"] for group in optimizer.param_groups] for _ in descend(optimizer, 100, 0.1)]
    first = [rate for rate, _ in rates]
    assert max(first) == pytest.approx(1, abs=0.01)
    assert first.index(max(first)) in (9, 10)
    assert 0 < first[-1] < 0.001
    assert 0 < first[0] < 0.1
    assert all(small == pytest.approx(0.1 * large) for large, small in rates)


def test_vectors_do_not_decay():
    groups = decay_groups(nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)), 0.1, 0.5)
    assert [(len(group["params"]), group["weight_decay"], group["lr"]) for group in groups] == [
        (1, 0.5, 0.1),
        (3, 0.0, 0.1),
    ]


def test_told_right_compares_every_head_with_every_label():
    dataset = pictures(4, broken=(1,))
    kept = dataset.labels[[number for number in range(12) if number != 1]]

    def predict(x):
        return torch.stack([torch.zeros(len(x)), torch.ones(len(x))], dim=1).long()

    right = told_right(predict, dataset, 5, torch.device("cpu"))
    assert right.equal(torch.stack([kept == 0, kept == 1], dim=1))
