"""Readers of world models, on worlds that are known: a model that is right, one that is deaf, and one that leaks."""

import pytest
import torch

from jepakit.contracts import Observation, State
from jepakit.probes import world_model as read

TURN = torch.tensor([[0.8, -0.6], [0.6, 0.8]])


class Exact:
    """Frames hold the state in two pixels; it is turned, bent a little, and pushed by the action."""

    def encode(self, observation: Observation) -> State:
        return State(observation.x[:, 0, -1, :, :2].clone())

    def imagine(self, state: State, actions: torch.Tensor) -> State:
        latent, found = state.latent.unsqueeze(1), []
        for step in range(actions.shape[2]):
            latent = self.move(latent, actions[:, :, step].unsqueeze(2))
            found.append(latent)
        return State(torch.stack(found, dim=2))

    def move(self, latent, action):
        return step(latent, action)


class Deaf(Exact):
    """Hears no action."""

    def move(self, latent, action):
        return step(latent, 0 * action).expand(-1, action.shape[1], -1, -1)


class Leaking(Exact):
    """The last action changes all that is imagined."""

    def imagine(self, state: State, actions: torch.Tensor) -> State:
        found = super().imagine(state, actions).latent
        return State(found + 1e-6 * actions[:, :, -1:, :].unsqueeze(3))


def step(state, action):
    return torch.tanh(state @ TURN) + action


def draw(count=64, frames=6, seed=0, bent=True) -> read.Clips:
    generator = torch.Generator().manual_seed(seed)
    actions = 0.5 * torch.randn(count, frames - 1, 2, generator=generator)
    states = [torch.randn(count, 2, generator=generator)]
    for action in actions.unbind(dim=1):
        states.append(step(states[-1], action) if bent else states[-1] @ TURN + action)
    state = torch.stack(states, dim=1)
    return read.Clips(state[:, None, :, None, :], actions, states=torch.cat([state, state[..., :1] * 3 + 1], dim=-1))


def test_a_right_model_has_no_error_and_needs_its_actions():
    found = read.errors_over_horizon(Exact(), draw(), draw(seed=1))
    assert found.imagined.max() < 1e-10
    assert found.shuffled.min() > 0.2
    assert found.copied.min() > 0.2
    assert (found.linear > found.imagined).all()
    assert (found.linear < found.copied).all()


def test_a_deaf_model_does_not_care_whose_actions_it_is_told():
    found = read.errors_over_horizon(Deaf(), draw(), draw(seed=1), past=2)
    assert len(found.imagined) == 4
    torch.testing.assert_close(found.uses_actions, torch.ones(4))


def test_a_linear_world_is_known_to_the_linear_baseline():
    found = read.errors_over_horizon(Exact(), draw(bent=False), draw(seed=1, bent=False))
    assert found.linear.max() < 1e-3
    assert found.imagined.min() > found.linear.max()


def test_states_are_read_off():
    found = read.read_states(Exact(), draw(), draw(seed=1))
    assert found.explained.min() > 0.99
    assert found.missed.max() < 0.01
    mute = draw(seed=2)
    unknown = read.Clips(mute.x, mute.actions, states=torch.randn_like(mute.states))
    assert read.read_states(Exact(), draw(), unknown).explained.max() < 0
    with pytest.raises(ValueError, match="give Clips with `states`"):
        read.read_states(Exact(), draw(), read.Clips(mute.x, mute.actions))


def test_the_least_energy_lies_at_the_action_that_was_taken():
    clips = draw()
    near = clips.take(clips.actions[:, 0].abs().amax(dim=1) < 0.9)
    found = read.energy_landscape(Exact(), near, (0, 1), reach=1.0, count=41)
    assert found.missed.max() <= 0.05 / 2 * 2**0.5 + 1e-6
    turned = read.energy_landscape(Exact(), near, (1, 0), reach=1.0, count=41)
    torch.testing.assert_close(turned.least, found.least.flip(1))
    deaf = read.energy_landscape(Deaf(), near, (0, 1), reach=1.0, count=5)
    assert deaf.energies.flatten(1).std(dim=1).max() == 0


def test_teleports_surprise_those_who_know():
    found = read.teleports(Exact(), draw(), at=3)
    assert found.natural.max() < 1e-10
    assert found.noticed == 1.0
    assert read.surprise(Exact(), draw()).shape == (64, 5)
    with pytest.raises(ValueError, match="1 frames before it, got 64 clips, at=0"):
        read.teleports(Exact(), draw(), at=0)


def test_leaks_are_found():
    assert read.keeps_time(Exact(), draw())
    assert not read.keeps_time(Leaking(), draw())
