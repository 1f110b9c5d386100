"""OmniMAE takes pictures and clips by one network, and asks the published questions about each."""

import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.parts.masks.modal import ModalMasker
from jepakit.parts.masks.random import RandomMasker
from jepakit.parts.nn.position import grid
from jepakit.rivals.omnimae import TINY, VIT_B16, OmniMAE
from jepakit.rivals.videomae import TINY as VIDEOMAE


def now():
    return step_at(0, 10, Rows(0, 2, 2))


def test_a_picture_is_a_clip_of_one_frame_that_stands_still():
    torch.manual_seed(0)
    backbone, picture = TINY.build().backbone, torch.randn(2, 3, 1, 32, 32)
    still = backbone(picture.expand(-1, -1, 2, -1, -1))
    assert backbone(picture).extent == (1, 4, 4)
    torch.testing.assert_close(backbone(picture).values, still.values)


def test_it_learns_the_pixels_of_both():
    method = TINY.build()
    for frames, places, hidden in ((1, 16, 12), (4, 32, 24)):
        x = torch.randn(2, 3, frames, 32, 32)
        predictions = []
        method.predictor.register_forward_hook(lambda module, inputs, output, seen=predictions: seen.append(output))
        losses = method({"x": x}, now())
        assert losses.metrics["context_share"].item() == pytest.approx(1 - hidden / places)
        assert predictions[0].places.values.shape == (2, hidden, 3 * 2 * 8 * 8)


def test_it_hides_more_of_clips_and_other_places_in_every_frame():
    masker = OmniMAE(dim=24, depth=1, heads=2, decoder_dim=24, decoder_depth=1, decoder_heads=2).build().maskers[0]
    shown = {}
    for extent in (VIT_B16.extent, (1, 14, 14)):
        coords = grid(extent).unsqueeze(0)
        shown[extent[0]] = masker(coords, extent, torch.Generator().manual_seed(0), Rows(0, 1, 1)).context[0]
    assert {steps: len(index) for steps, index in shown.items()} == {8: 78, 1: 20}
    frames = [set((shown[8][shown[8] // 196 == step] % 196).tolist()) for step in range(8)]
    assert len(set.union(*frames)) > 50, "tubes would show the same places in every frame"


def test_its_networks_are_those_of_videomae():
    ours, theirs = (
        {key: value.shape for key, value in sizes.build().state_dict().items()} for sizes in (TINY, VIDEOMAE)
    )
    assert ours == theirs


def test_planes_without_time_are_refused():
    with pytest.raises(ValueError, match="told apart by their time steps"):
        ModalMasker(RandomMasker(), RandomMasker())(torch.zeros(1, 4, 2), (2, 2), torch.Generator(), Rows(0, 1, 1))
