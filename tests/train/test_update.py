import torch

from jepakit.contracts import Rows
from jepakit.train.update import add_share, is_spike


def test_a_spike_is_far_above_the_recent_losses():
    recent = [1.0, 1.1, 0.9, 1.0] * 20
    assert not is_spike(1.2, recent, deviations=5.0)
    assert is_spike(2.0, recent, deviations=5.0)
    assert is_spike(float("nan"), recent, deviations=5.0)
    assert not is_spike(0.0, recent, deviations=5.0)


def test_shares_add_up_to_the_mean_over_the_batch():
    values = torch.arange(10.0)
    sums = {}
    for first, count in ((0, 3), (3, 5), (8, 2)):
        part = values[first : first + count].mean()
        add_share(sums, {"loss": part}, Rows(first, count, 10))
    torch.testing.assert_close(sums["loss"], values.double().mean())
