"""VideoMAE is the published network and asks the published question."""

import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEForPreTraining

from jepakit.contracts import Rows, step_at
from jepakit.family.vjepa import TINY as VJEPA_TINY
from jepakit.rivals.videomae import TINY, VIT_B16, VideoMAE


def test_it_has_as_many_parameters_as_the_published_network():
    """Ours has biases where theirs has none: of keys, and of the layer between encoder and decoder."""
    with torch.device("meta"):
        ours, published = (
            sum(parameter.numel() for parameter in network.parameters())
            for network in (VIT_B16.build(), VideoMAEForPreTraining(VideoMAEConfig(use_mean_pooling=False)))
        )
    biases = VIT_B16.depth * VIT_B16.dim + VIT_B16.decoder_depth * VIT_B16.decoder_dim + VIT_B16.decoder_dim
    assert ours - biases == published


def test_it_sees_a_tenth_of_the_places_of_a_frame():
    (masker,) = VideoMAE(dim=24, depth=1, heads=2, decoder_dim=24, decoder_depth=1, decoder_heads=2).build().maskers
    split = masker(torch.zeros(1, 1568, 3), VIT_B16.extent, torch.Generator(), Rows(0, 1, 1))
    assert split.context.shape == (1, 8 * 20)
    assert split.targets.shape == (1, 1, 8 * 176)


def test_it_answers_with_normalized_pixels_and_squares_the_error():
    method, x = TINY.build(), torch.randn(2, 3, 4, 32, 32)
    answers = method.target(x, method.backbone).values
    tubelet = x[0, :, :2, :8, :8].flatten()
    expected = (tubelet - tubelet.mean()) / tubelet.std(correction=0)
    torch.testing.assert_close(answers[0, 0].sort().values, expected.sort().values, atol=1e-4, rtol=1e-3)
    torch.nn.init.zeros_(method.predictor.projection.weight)
    with torch.no_grad():
        loss = method({"x": x}, step_at(0, 10, Rows(0, 2, 2))).total
    assert float(loss) == pytest.approx(1.0, abs=1e-3), "a prediction of zeros misses by the variance"


def test_it_shares_its_encoder_with_v_jepa():
    """Weight for weight, so that a comparison differs in the rule of learning alone."""
    ours, theirs = (sizes.build().backbone.state_dict() for sizes in (TINY, VJEPA_TINY))
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}


def test_sizes_that_cannot_be_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="decoder_heads should be from 1"):
        VideoMAE(decoder_heads=0).build()
