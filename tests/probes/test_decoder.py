"""Pictures of latents: drawn where latents tell them, and never felt by the model."""

import pytest
import torch

from jepakit.contracts import Observation, State
from jepakit.probes.decoder import Decoder, train_decoder
from jepakit.probes.world_model import Clips


class Places:
    """The latent is where the dot is; actions push it."""

    def encode(self, observation: Observation) -> State:
        picture = observation.x[:, 0, -1]
        axis = torch.arange(16.0)
        mass = picture.sum(dim=(1, 2))
        place = [(picture.sum(dim=2 - side) * axis).sum(dim=1) / mass for side in (0, 1)]
        return State(torch.stack(place, dim=1).unsqueeze(1) / 8 - 1)

    def imagine(self, state: State, actions: torch.Tensor) -> State:
        return State((state.latent.unsqueeze(1) + actions.cumsum(dim=2)).unsqueeze(3))


def draw(count=64):
    place = 3 + 10 * torch.rand(count, 1, 2, generator=torch.Generator().manual_seed(0))
    axis = torch.arange(16.0)
    rows, columns = (torch.exp(-(axis - place[..., side, None]).square() / 6) for side in (0, 1))
    return Clips((rows.unsqueeze(-1) * columns.unsqueeze(-2)).unsqueeze(1), torch.zeros(count, 0, 2))


def test_it_draws_what_is_told():
    clips, model = draw(), Places()
    decoder = train_decoder(model, clips, 40, torch.Generator().manual_seed(0), batch=16)
    with torch.no_grad():
        drawn = decoder(model.encode(Observation(clips.x)).latent)
    pictures = clips.x[:, :, 0]
    assert (drawn - pictures).square().mean() < 0.3 * pictures.var()
    film = decoder.film(model.imagine(model.encode(Observation(clips.x[:2])), torch.zeros(2, 3, 4, 2)))
    assert film.shape == (2, 3, 4, 1, 16, 16)
    torch.testing.assert_close(film[1, 2, 3], drawn[1])


def test_grids_of_tokens_are_drawn_too():
    assert Decoder(64, 16, 3, 64)(torch.randn(2, 64, 16)).shape == (2, 3, 64, 64)
    with pytest.raises(ValueError, match="5 tokens cannot be doubled into a picture of 64 pixels"):
        Decoder(5, 16, 3, 64)
    with pytest.raises(ValueError, match="9 tokens cannot be doubled into a picture of 64 pixels"):
        Decoder(9, 16, 3, 64)


@pytest.mark.parametrize("side", [16, 64, 96, 224])
def test_a_vector_is_spread_over_a_picture(side):
    assert Decoder(1, 16, 3, side, width=16)(torch.randn(2, 1, 16)).shape == (2, 3, side, side)


def test_before_training_it_draws_the_mean_picture():
    clips, model = draw(), Places()
    decoder = train_decoder(model, clips, 1, torch.Generator().manual_seed(0), rate=1e-9)
    with torch.no_grad():
        drawn = decoder(torch.zeros(1, 1, 2))
    assert (drawn - clips.x[:, :, 0].mean(dim=0)).abs().mean() < 0.3


def test_small_things_that_move_are_drawn_early():
    """A spot of one pixel in a picture of 256: a decoder that minds all pixels alike still draws the mean picture."""
    place = torch.randint(2, 14, (256, 2), generator=torch.Generator().manual_seed(0))
    pictures = torch.zeros(256, 1, 1, 16, 16)
    pictures[torch.arange(256), 0, 0, place[:, 0], place[:, 1]] = 1.0
    clips = Clips(pictures, torch.zeros(256, 0, 2))
    decoder = train_decoder(Places(), clips, 60, torch.Generator().manual_seed(0), batch=32)
    with torch.no_grad():
        drawn = decoder(Places().encode(Observation(pictures)).latent)
    at = drawn.flatten(1).argmax(dim=1)
    apart = (torch.stack([at // 16, at % 16], dim=1) - place).abs().amax(dim=1)
    assert (apart <= 1).double().mean() > 0.8
