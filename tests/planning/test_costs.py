"""Costs are what they say, on numbers that can be checked by hand, and go down where they should."""

from dataclasses import dataclass

import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import Cost, Observation, State
from jepakit.parts import energies
from jepakit.planning.costs import (
    Disagreement,
    Distance,
    Effort,
    KeepOut,
    KnownDistance,
    KnownPositions,
    Reach,
    Value,
    Weighted,
)

EPISODES, CANDIDATES, HORIZON = 2, 3, 4
ACTIONS = torch.zeros(EPISODES, CANDIDATES, HORIZON, 2)


def imagined(seed=0):
    draw = torch.Generator().manual_seed(seed)
    latent = torch.randn(EPISODES, CANDIDATES, HORIZON, 5, 6, generator=draw)
    return State(latent, torch.randn(EPISODES, CANDIDATES, HORIZON, 3, generator=draw))


def goal(seed=1):
    draw = torch.Generator().manual_seed(seed)
    return State(torch.randn(EPISODES, 5, 6, generator=draw), torch.randn(EPISODES, 3, generator=draw))


def test_distances_are_energies_of_the_last_moment_or_discounted_sums():
    states, wanted = imagined(), goal()
    error = (states.latent - wanted.latent[:, None, None]).square().mean(dim=(-2, -1))
    torch.testing.assert_close(Distance(wanted)(states, ACTIONS), error[:, :, -1])
    summed = error[..., 0] + 0.5 * error[..., 1] + 0.25 * error[..., 2] + 0.125 * error[..., 3]
    torch.testing.assert_close(Distance(wanted, when="sum", discount=0.5)(states, ACTIONS), summed)
    absolute = (states.latent - wanted.latent[:, None, None]).abs().mean(dim=(-2, -1))
    torch.testing.assert_close(Distance(wanted, energies.l1)(states, ACTIONS), absolute[:, :, -1])
    cosine = torch.nn.functional.cosine_similarity(states.latent, wanted.latent[:, None, None], dim=-1).mean(dim=-1)
    torch.testing.assert_close(Distance(wanted, energies.cosine)(states, ACTIONS), 1 - cosine[:, :, -1])
    torch.testing.assert_close(Distance(wanted, energies.root_l2)(states, ACTIONS), error[:, :, -1].sqrt())


def test_the_last_moment_of_a_sum_counts_more_if_asked():
    states, wanted = imagined(), goal()
    each = (states.latent - wanted.latent[:, None, None]).square().mean(dim=(-2, -1)).sqrt()
    cost = Reach(measure="root_l2", when="sum", final=16.0)(wanted)
    torch.testing.assert_close(cost(states, ACTIONS), each.sum(dim=2) + 15 * each[:, :, -1])
    for wrong in ({"final": 0.0, "when": "sum"}, {"final": 2.0}):
        with pytest.raises(ValueError, match="`final` is a weight above 0"):
            Reach(**wrong)


def test_a_distance_of_nothing_has_a_gradient():
    latent = torch.zeros(1, 1, 2, 5, 6, requires_grad=True)
    Distance(State(torch.zeros(1, 5, 6)), energies.root_l2)(State(latent), ACTIONS[:1, :1]).sum().backward()
    assert latent.grad is not None
    assert latent.grad.eq(0).all()


def test_every_episode_may_have_zones_of_its_own():
    places = torch.tensor([[0.0, 0.0], [4.0, 0.0]]).view(2, 1, 1, 2).expand(2, 3, 4, 2)
    states = State(torch.zeros(2, 3, 4, 1, 1), places)
    alike = KeepOut(torch.tensor([[4.0, 0.0]]), torch.tensor([2.0]), KnownPositions((0, 1)))
    own = KeepOut(torch.tensor([[[0.0, 1.0]], [[9.0, 9.0]]]), torch.tensor([2.0]), KnownPositions((0, 1)))
    assert alike(states, ACTIONS).tolist() == [[0.0] * 3, [4.0] * 3]
    assert own(states, ACTIONS).tolist() == [[2.0] * 3, [0.0] * 3]


def test_what_is_known_is_compared_in_the_places_that_count():
    states, wanted = imagined(), goal()
    error = (states.known - wanted.known[:, None, None]).square()
    torch.testing.assert_close(KnownDistance(wanted)(states, ACTIONS), error.mean(dim=-1)[:, :, -1])
    some = KnownDistance(wanted, places=(0, 2))(states, ACTIONS)
    torch.testing.assert_close(some, error[..., [0, 2]].mean(dim=-1)[:, :, -1])


def test_what_is_known_may_have_other_units():
    states, wanted = imagined(), goal()
    error = ((states.known - wanted.known[:, None, None])[..., [0, 2]] * torch.tensor([1.0, 57.0])).square()
    cost = Reach(seen=0.0, felt=1.0, places=(0, 2), scales=(1.0, 57.0))
    torch.testing.assert_close(cost(wanted)(states, ACTIONS), error.mean(dim=-1)[:, :, -1])
    assert Config.from_json(cost.to_json()) == cost
    for wrong, said in (
        ({"scales": (1.0,)}, "of what is felt"),
        ({"felt": 1.0, "places": (0, 1), "scales": (1.0,)}, "a scale for each"),
    ):
        with pytest.raises(ValueError, match=said):
            Reach(**wrong)


def test_costs_add_up_and_turn_around():
    states, wanted = imagined(), goal()
    near = Distance(wanted)(states, ACTIONS)
    felt = KnownDistance(wanted)(states, ACTIONS)
    mixed = Weighted(((2.0, Distance(wanted)), (-0.5, KnownDistance(wanted))))
    torch.testing.assert_close(mixed(states, ACTIONS), 2 * near - 0.5 * felt)
    torch.testing.assert_close(Reach(seen=-1.0)(wanted)(states, ACTIONS), -near)
    torch.testing.assert_close(Reach(felt=0.1)(wanted)(states, ACTIONS), near + 0.1 * felt)
    assert isinstance(mixed, Cost)


def test_zones_cost_as_much_as_they_are_entered():
    path = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [5.0, 1.0]])
    states = State(torch.zeros(1, 1, 4, 1, 1), torch.cat([path, torch.full((4, 1), 9.0)], dim=1)[None, None])
    positions = KnownPositions((0, 1))
    zone = KeepOut(torch.tensor([[4.0, 0.0]]), torch.tensor([2.0]), positions)
    inside = 1 + (1 - 2**0.5 / 2)
    assert zone(states, ACTIONS[:1, :1]).item() == pytest.approx(inside)
    both = KeepOut(torch.tensor([[4.0, 0.0], [0.0, 1.0]]), torch.tensor([2.0, 4.0]), positions)
    assert both(states, ACTIONS[:1, :1]).item() == pytest.approx(inside + 0.75 + (1 - 5**0.5 / 4), abs=1e-5)
    wide = KeepOut(torch.tensor([[4.0, 0.0]]), torch.tensor([1.0]), positions, margin=1.0)
    assert wide(states, ACTIONS[:1, :1]).item() == pytest.approx(inside)
    far = KeepOut(torch.tensor([[99.0, 0.0]]), torch.tensor([2.0]), positions)
    assert far(states, ACTIONS[:1, :1]).item() == 0


def test_a_zone_pushes_what_is_inside_out_of_it():
    place = torch.tensor([[[[0.5, 0.0]]]], requires_grad=True)
    zone = KeepOut(torch.zeros(1, 2), torch.ones(1), KnownPositions((0, 1)))
    zone(State(torch.zeros(1, 1, 1, 1, 1), place), ACTIONS[:1, :1, :1]).sum().backward()
    assert place.grad[0, 0, 0, 0] < 0, "going on outwards costs less"


def test_a_critic_says_what_is_still_to_come():
    states = imagined()
    critic = lambda moments: moments.latent.mean(dim=(-2, -1))  # noqa: E731
    torch.testing.assert_close(Value(critic)(states, ACTIONS), critic(states)[:, :, -1])
    torch.testing.assert_close(Value(critic, when="sum")(states, ACTIONS), critic(states).sum(dim=2))


@dataclass(frozen=True)
class Off:
    """Imagines what everybody here does, and so much more."""

    by: float

    def encode(self, observation):
        return State(observation.x.new_full((len(observation.x), 1, 1), self.by))

    def imagine(self, state, actions):
        return State(imagined().latent + state.latent[:, None, None])


def test_members_that_agree_are_sure():
    here = Observation(torch.zeros(EPISODES, 0, 1, 0, 0))
    states = imagined()
    twins = Disagreement((Off(0.0), Off(0.0))).at(here)
    torch.testing.assert_close(twins(states, ACTIONS), torch.zeros(EPISODES, CANDIDATES))
    others = Disagreement((Off(2.0),)).at(here)
    torch.testing.assert_close(others(states, ACTIONS), torch.full((EPISODES, CANDIDATES), float(HORIZON)))
    with pytest.raises(ValueError, match="call `at` first"):
        Disagreement((Off(2.0),))(states, ACTIONS)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Weighted(()), "1 term or more"),
        (lambda: Disagreement(()), "1 other or more"),
        (lambda: KeepOut(torch.zeros(1, 2), torch.zeros(1), KnownPositions((0, 1))), "radii above 0"),
        (lambda: Reach(seen=0.0), "costs nothing"),
        (lambda: Reach(places=(0,)), "has no weight"),
        (lambda: Reach(discount=0.0), "discount"),
        (lambda: Reach(felt=1.0)(State(goal().latent))(imagined(), ACTIONS), "what is known exactly"),
    ],
)
def test_costs_that_mean_nothing_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_makers_of_costs_travel_as_json():
    maker = Reach(measure="l1", when="sum", discount=0.9, seen=0.5, felt=0.1, places=(0, 1))
    assert Config.from_json(maker.to_json()) == maker


def test_effort_is_paid_for_what_is_done_and_decides_where_nothing_else_does():
    states = State(torch.zeros(1, 2, 2, 1, 3))
    actions = torch.tensor([[[[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]])
    torch.testing.assert_close(Effort()(states, actions), torch.tensor([[12.5, 0.5]]))
    cost = Reach(effort=0.1)(State(torch.zeros(1, 1, 3)))
    torch.testing.assert_close(cost(states, actions), torch.tensor([[1.25, 0.05]]))
    assert Reach()(State(torch.zeros(1, 1, 3)))(states, actions).tolist() == [[0.0, 0.0]]
    with pytest.raises(ValueError, match="effort costs 0 or more"):
        Reach(effort=-1.0)
