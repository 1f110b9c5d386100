"""The opponent of the benchmark of candidates computes what we do."""

from dataclasses import replace

import pytest
import torch

from benchmarks.cem_horizon2 import SIZES, forgetful_rollout, measure, plain_rollout
from jepakit.contracts import Observation, State

SMALL = replace(SIZES, image=(32, 32), dim=24, heads=2, predictor_dim=48, predictor_depth=2)


@torch.no_grad()
def test_three_ways_give_the_same_frames():
    torch.manual_seed(0)
    method = SMALL.build().eval()
    seen = method.encode(Observation(torch.randn(1, 3, 1, 32, 32), torch.rand(1, 1, 7)))
    start, actions = State(seen.latent, seen.known), 0.5 * torch.randn(1, 3, 2, 7)
    ours = method.imagine(start, actions).latent[0, :, -1]
    torch.testing.assert_close(plain_rollout(method, start, actions[0]), ours, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(forgetful_rollout(method, start, actions[0]), ours, atol=1e-5, rtol=1e-5)
    assert (ours[0] - ours[1]).abs().max() > 1e-2, "candidates differ, or equal frames say nothing"


def test_what_is_measured():
    found = measure(SMALL, candidates=2, rounds=2)
    assert found["difference"] < 1e-6 < found["spread_of_costs"]
    assert found["ratio"]["value"] > 0
    assert set(found["milliseconds"]) == {"plain", "jepakit, nothing remembered", "jepakit", "jepakit again"}


def test_costs_that_differ_are_not_compared(monkeypatch):
    still = lambda method, start, actions: start.latent.repeat(2, 1, 1)  # noqa: E731
    monkeypatch.setattr("benchmarks.cem_horizon2.plain_rollout", still)
    with pytest.raises(AssertionError, match="their times cannot be compared"):
        measure(SMALL, candidates=2, rounds=1)
