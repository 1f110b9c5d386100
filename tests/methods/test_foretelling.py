"""Models of pixels: what is drawn follows from the past alone, and energies are functions of one pair."""

from dataclasses import replace

import pytest
import torch

from jepakit.contracts import Rows, step_at
from jepakit.methods.denoising import Denoising
from jepakit.rivals import pixel_diffusion, vq_video

BOTH = pytest.mark.parametrize("tiny", [vq_video.TINY, pixel_diffusion.TINY], ids=["codes", "noise"])


def clips(count=3):
    return torch.randn(count, 3, 4, 32, 32, generator=torch.Generator().manual_seed(5))


def made(tiny):
    torch.manual_seed(0)
    return tiny.build()


@BOTH
def test_futures_are_drawn_from_the_past_alone_and_differ(tiny):
    method, x = made(tiny), clips()
    other = x.clone()
    other[:, :, 2:] += 3
    first, second = (method.imagine(clip, 4, torch.Generator().manual_seed(0)) for clip in (x, other))
    assert first.shape == (3, 4, 3, 2, 32, 32)
    assert torch.equal(first, second)
    assert not torch.allclose(first[:, 0], first[:, 1])
    assert not torch.equal(first, method.imagine(x, 4, torch.Generator().manual_seed(1)))
    assert method.training, "drawing leaves the method as it was"


@BOTH
def test_the_past_matters(tiny):
    method, x = made(tiny), clips()
    drawn = [method.imagine(clip, 2, torch.Generator().manual_seed(0)) for clip in (x, x.roll(1, dims=0))]
    assert not torch.allclose(*drawn)


@BOTH
def test_the_energy_of_a_pair_does_not_depend_on_others(tiny):
    method, x = made(tiny), clips()
    with torch.no_grad():
        together = method.energy(x, x)
        alone = torch.cat([method.energy(x[row : row + 1], x[row : row + 1]) for row in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


@BOTH
def test_a_clip_without_future_and_a_latent_variable_are_refused(tiny):
    method, x = made(tiny), clips()
    with pytest.raises(ValueError, match="a clip needs more than that"):
        method.energy(x, x[:, :, :2])
    with pytest.raises(ValueError, match="no latent variable"):
        method.energy(x, x, torch.zeros(3, 2))


@BOTH
def test_halves_are_whole_tubelets(tiny):
    with pytest.raises(ValueError, match="frames is a multiple of 8 for asked_tubelet=4"):
        replace(tiny, asked_tubelet=4).build()


@BOTH
def test_noise_and_lots_are_drawn_for_the_global_batch(tiny):
    """Two halves of a batch, on two processes, have the mean loss of the whole; but for statistics of the batch."""
    method, x = made(tiny).eval(), clips(4)
    with torch.no_grad():
        whole = method({"x": x}, step_at(0, 1, Rows(0, 4, 4))).total
        halves = [method({"x": x[at : at + 2]}, step_at(0, 1, Rows(at, 2, 4))).total for at in (0, 2)]
    torch.testing.assert_close(torch.stack(halves).mean(), whole)


def test_no_gradient_of_foretelling_reaches_the_codes():
    method = made(vq_video.TINY)
    method({"x": clips()}, step_at(0, 1, Rows(0, 3, 3))).terms["prediction"].backward()
    assert all(parameter.grad is None for parameter in method.codes.parameters())
    assert all(parameter.grad is not None for parameter in method.backbone.parameters())


def test_who_knows_what_is_behind_the_noise_is_led_there():
    """However few the steps: ways to one future alone are straight."""
    known = clips(1)[:, :, 2:]

    class Knows(torch.nn.Module):
        def __init__(self, predictor):
            super().__init__()
            self.tokenizer, self.shape = predictor.tokenizer, predictor.shape

        def forward(self, context, noisy, share):
            return self.tokenizer.cut(known.expand_as(noisy))

    for steps in (1, 7):
        method = made(replace(pixel_diffusion.TINY, steps=steps))
        method.predictor = Knows(method.predictor)
        drawn = method.imagine(clips(2), 2, torch.Generator().manual_seed(0))
        torch.testing.assert_close(drawn, known.expand(2, 2, -1, -1, -1, -1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 2, "shares": (1.0,)}, {"steps": 2, "draws": 0}])
def test_shares_and_steps_that_mean_nothing_are_refused(wrong):
    method = made(pixel_diffusion.TINY)
    with pytest.raises(ValueError, match=r"shares in \[0, 1\)"):
        Denoising(method.backbone, method.predictor.tokenizer, 2, method.predictor, **wrong)
