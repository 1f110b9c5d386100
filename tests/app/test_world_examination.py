"""Meters of world models on worlds that are known: a model that is right, one that is deaf, and one that leaks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from jepakit.app import world_examination
from jepakit.app.world_examination import Surprise, WorldSight, affordable, cut_out, held_out, longer, measure
from jepakit.contracts import Observation, State
from jepakit.data.trajectories import SMALL_PICTURE, Trajectories
from jepakit.data.trajectory_files import write_episodes
from jepakit.probes.world_model import Clips, Landscape, Readout

SIDE = 16
DATA = Trajectories(root="nowhere", frames=4)


class Places(nn.Module):
    """The latent is where the spot is, in pixels from the middle; an action moves it."""

    def __init__(self, hears: float = 1.0, leaks: float = 0.0) -> None:
        super().__init__()
        self.hears, self.leaks = hears, leaks
        self.size = nn.Parameter(torch.ones(()))

    def encode(self, observation: Observation) -> State:
        picture, axis = observation.x[:, 0, -1], torch.arange(float(SIDE))
        place = [(picture.sum(dim=2 - side) * axis).sum(dim=1) / picture.sum(dim=(1, 2)) for side in (0, 1)]
        return State(torch.stack(place, dim=1).unsqueeze(1) - SIDE / 2)

    def imagine(self, state: State, actions: torch.Tensor) -> State:
        moved = self.hears * actions.cumsum(dim=2) + self.leaks * actions[:, :, -1:]
        return State((state.latent.unsqueeze(1) + moved).unsqueeze(3))


def draw(count=24, frames=9, seed=0, width=2):
    generator = torch.Generator().manual_seed(seed)
    wanted = 4 + 8 * torch.rand(count, frames, 2, generator=generator)
    axis = torch.arange(float(SIDE))
    rows, columns = (torch.exp(-(axis - wanted[..., side, None]).square() / 3) for side in (0, 1))
    x = (rows.unsqueeze(-1) * columns.unsqueeze(-2)).unsqueeze(1)
    model = Places()
    place = torch.stack([model.encode(Observation(x[:, :, at : at + 1])).latent[:, 0] for at in range(frames)], dim=1)
    return Clips(x, place.diff(dim=1)[..., :width], states=3 * place + 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(world_examination, "DRAWN_STEPS", 3)


def ask(model, test=None, **given):
    return measure(model, draw(seed=1), draw() if test is None else test, "test", replace(DATA, **given))


def test_a_model_that_is_right():
    found = ask(Places())
    assert found.horizon.imagined.max() < 1e-8
    assert found.horizon.uses_actions.min() > 100
    assert (found.steps, found.past, found.trained) == (8, 1, 3)
    assert found.keeps_time
    assert isinstance(found.surprise, Surprise)
    assert found.surprise.violation.noticed == 1
    assert found.surprise.teleported.argmax() == found.surprise.at - 1
    assert isinstance(found.readout, Readout)
    assert found.readout.explained.min() > 0.999
    assert isinstance(found.landscape, Landscape)
    cell = (found.landscape.first[1] - found.landscape.first[0]).item()
    assert found.landscape.missed.max() <= cell * 0.5**0.5 + 1e-5
    assert len(found.landscape.taken) == 24


def test_a_model_that_does_not_listen_and_one_that_leaks():
    deaf = ask(Places(hears=0.0))
    torch.testing.assert_close(deaf.horizon.uses_actions, torch.ones(8))
    torch.testing.assert_close(deaf.horizon.imagined, deaf.horizon.copied)
    assert not ask(Places(leaks=1e-3)).keeps_time


def test_imagination_is_drawn_from_the_last_frame_that_was_seen():
    test = draw()
    found = measure(Places(), draw(seed=1), test, "test", DATA, window=3)
    assert (found.past, found.steps) == (3, 6)
    sight = found.sight
    assert isinstance(sight, WorldSight)
    assert sight.true.shape == sight.redrawn.shape == sight.imagined.shape == (6, 7, 1, SIDE, SIDE)
    assert torch.equal(sight.true, test.x[:6, :, 2:].transpose(1, 2))
    torch.testing.assert_close(sight.imagined, sight.redrawn, atol=1e-3, rtol=0)


def test_what_cannot_be_measured_says_why():
    mute = draw()
    found = ask(Places(), Clips(mute.x[:, :, :2], mute.actions[:, :1]))
    assert "too short to cut" in str(found.surprise)
    assert "states are known" in str(found.readout)
    still = Clips(mute.x, mute.actions * torch.tensor([1.0, 0.0]), states=mute.states)
    assert "fewer than two numbers that vary" in str(ask(Places(), still).landscape)


def test_pictures_that_no_decoder_can_draw(monkeypatch):
    monkeypatch.setattr(world_examination, "DRAWN_SIDE", 8)
    assert "of 16 pixels takes too long" in str(ask(Places()).sight)


def test_a_cut_leaves_out_frames_and_what_was_done_in_them():
    numbers = torch.arange(9.0)
    clips = Clips(numbers.view(1, 1, 9, 1, 1), numbers[:8].view(1, 8, 1), known=numbers.view(1, 9, 1))
    cut = cut_out(clips, at=3, gap=2)
    assert cut.x.flatten().tolist() == [0, 1, 2, 5, 6, 7, 8]
    assert cut.actions.flatten().tolist() == [0, 1, 2, 5, 6, 7]
    assert cut.known is not None
    assert torch.equal(cut.known.flatten(), cut.x.flatten())


def test_large_models_look_at_fewer_windows_and_too_large_ones_at_none(monkeypatch):
    assert affordable(Places(), draw(count=1)) == world_examination.MOST_CLIPS
    monkeypatch.setattr(world_examination, "FLOP_BUDGET", 2.0 * (16 * 9 + 441) * 10)
    assert affordable(Places(), draw(count=1)) == 10
    monkeypatch.setattr(world_examination, "FLOP_BUDGET", 0.0)
    with pytest.raises(ValueError, match="so large that asking it takes too long"):
        affordable(Places(), draw(count=1))


def episode(steps, known):
    drawn = np.random.default_rng(0)
    found = {
        "frames": drawn.integers(0, 255, (steps + 1, 8, 8, 3), dtype=np.uint8),
        "actions": drawn.normal(size=(steps, 2)).astype(np.float32),
    }
    return found | ({"states": drawn.normal(size=(steps + 1, 2)).astype(np.float32)} if known else {})


@pytest.mark.parametrize("known", [True, False])
def test_windows_are_as_long_as_half_of_the_episodes_allow(tmp_path, known):
    lengths = [12] * 10 + [20] * 50
    write_episodes(tmp_path, 60, lambda rows: (episode(lengths[row], known) for row in rows), {"about": "tests"})
    data = Trajectories(root=str(tmp_path), frames=3, skip=2, transform=replace(SMALL_PICTURE, size=8))
    asked = longer(data)
    assert (asked.frames, asked.states) == (11, known)
    part, dataset = held_out(asked)
    assert part == "test"
    assert dataset.get(0, 0, 0)["x"].shape == (3, 11, 8, 8)
    assert longer(replace(data, skip=1)).frames == world_examination.LONGEST


@pytest.mark.parametrize(("episodes", "part"), [(40, "validation"), (60, "test")])
def test_a_part_with_next_to_no_episodes_is_not_asked(tmp_path, episodes, part):
    write_episodes(tmp_path, episodes, lambda rows: (episode(4, known=False) for _ in rows), {"about": "tests"})
    data = Trajectories(root=str(tmp_path), frames=5, transform=replace(SMALL_PICTURE, size=8))
    assert held_out(data)[0] == part
