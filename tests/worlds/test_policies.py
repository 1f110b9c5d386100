"""Who acts: functions of the seed, within the rules, and as good or bad as they are meant to be."""

import pytest
import torch

from jepakit.config import Config
from jepakit.worlds.collect import roll
from jepakit.worlds.policies import Expert, Mixture, Policy, RandomWalk, Uniform
from jepakit.worlds.two_rooms import TwoRooms

WORLD = TwoRooms()
POLICIES = [
    Uniform(hold=4),
    RandomWalk(),
    RandomWalk(confined=True),
    Expert(),
    Mixture(policies=(Expert(), RandomWalk()), chances=(1.0, 3.0)),
]


def crossings(policy: Policy, episodes: int = 300) -> torch.Tensor:
    rooms = WORLD.room(roll(WORLD, policy, torch.arange(episodes), 64)[0])
    return (rooms[:, 1:] != rooms[:, :-1]).sum(dim=1)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_an_episode_is_a_function_of_its_seed(policy: Policy):
    seeds = torch.arange(20)
    states, actions = roll(WORLD, policy, seeds, 12)
    again, once_more = roll(WORLD, policy, seeds[7:9], 12)
    assert torch.equal(states[7:9], again)
    assert torch.equal(actions[7:9], once_more)
    assert len(actions[:, 0].unique(dim=0)) == 20
    assert isinstance(policy, Config)
    assert type(policy).from_json(policy.to_json()) == policy


def test_actions_follow_the_states_and_their_bounds():
    states, actions = roll(WORLD, Uniform(), torch.arange(30), 20)
    assert torch.equal(WORLD.step(states[:, :-1], actions), states[:, 1:])
    assert actions.norm(dim=-1).max() <= WORLD.longest + 1e-5


def test_uniform_keeps_its_actions():
    actions = roll(WORLD, Uniform(hold=4), torch.arange(10), 12)[1].unflatten(1, (3, 4))
    assert (actions == actions[:, :, :1]).all()
    assert (actions[:, 0, 0] != actions[:, 1, 0]).all()


def test_the_confined_never_pass_the_door_and_others_do():
    assert not crossings(RandomWalk(confined=True)).any()
    assert (crossings(RandomWalk()) > 0).float().mean() > 0.1
    assert (crossings(Expert()) > 0).float().mean() > 0.8


def test_the_confined_still_walk_all_over_their_room():
    states, _ = roll(WORLD, RandomWalk(confined=True), torch.arange(300), 64)
    spread = states[..., 1].amax(dim=1) - states[..., 1].amin(dim=1)
    assert spread.mean() > 20


def test_a_walk_goes_on_as_it_went():
    actions = roll(WORLD, RandomWalk(turn=0.1, renew=0.0), torch.arange(50), 10)[1]
    unit = actions / actions.norm(dim=-1, keepdim=True)
    assert (unit[:, 1:] * unit[:, :-1]).sum(dim=-1).mean() > 0.98
    lengths = actions.norm(dim=-1) / WORLD.longest
    assert 0.39 < lengths.min() < 0.45
    assert 0.97 < lengths.max() < 1.001


def test_a_mixture_keeps_to_its_chances():
    mixed, walks = Mixture(policies=(Expert(), RandomWalk()), chances=(1.0, 3.0)), RandomWalk()
    seeds = torch.arange(400)
    same = (roll(WORLD, mixed, seeds, 3)[1] == roll(WORLD, walks, seeds, 3)[1]).all(dim=(1, 2))
    assert abs(float(same.float().mean()) - 0.75) < 0.08


def test_what_cannot_be_done_is_said():
    class Flat:
        """A world without rooms or ways, of one number."""

        low, high, longest = torch.tensor([-1.0]), torch.tensor([1.0]), None
        start = goal = step = render = proprio = solved = lambda self, states: states

    with pytest.raises(ValueError, match="take Uniform"):
        RandomWalk().begin(Flat(), torch.arange(2))
    with pytest.raises(ValueError, match="knows no way"):
        Expert().begin(Flat(), torch.arange(2))
    with pytest.raises(ValueError, match="has a policy or more"):
        Mixture(policies=())
    with pytest.raises(ValueError, match="at least one"):
        Uniform(hold=0)
