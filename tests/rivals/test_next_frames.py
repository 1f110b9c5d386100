"""Next frames are VideoMAE with another question: the first half of a clip is seen, the second one asked for."""

import torch

from jepakit.contracts import Rows
from jepakit.rivals import videomae
from jepakit.rivals.next_frames import TINY


def test_the_future_is_asked_for_from_the_past_alone():
    (masker,) = TINY.build().maskers
    split = masker(torch.zeros(2, 32, 3), TINY.extent, torch.Generator(), Rows(0, 2, 2))
    assert split.context.tolist() == [list(range(16))] * 2
    assert split.targets.tolist() == [[list(range(16, 32))]] * 2


def test_networks_are_those_of_videomae():
    ours, theirs = (tiny.build().state_dict() for tiny in (TINY, videomae.TINY))
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}
