"""Other wishes in two rooms, of a model that was trained before anybody had them.

A zone that is not to be entered lies on the way of every episode; or the picture shows where not to be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from jepakit.contracts import State, WorldModel
from jepakit.planning.actions import Box
from jepakit.planning.control import Controller, Planning
from jepakit.planning.costs import KeepOut, Weighted
from jepakit.planning.outcome import Outcome
from jepakit.planning.policies import GoalActor, Moments, Observe, PlanningPolicy
from jepakit.worlds.two_rooms import TwoRooms

RADIUS = 5.0
"""Of a zone, in pixels: a ninth of what a dot may walk along a side."""
MARGIN = 2.0
"""By how much the planner takes zones for larger, as it reads places with an error."""
WEIGHT = 1_000.0
"""Of a zone: nothing is worth entering it."""
FAR = 32.0
"""Pixels from a place, half of the picture's side, at which it was fled."""


@dataclass(frozen=True, kw_only=True)
class Fleeing(TwoRooms):
    """Two rooms in which success is to be `far` from the place that the picture of the goal shows."""

    far: float = FAR

    def solved(self, states: Float[Tensor, "*s k"], goals: Float[Tensor, "*s k"]) -> Bool[Tensor, "*s"]:
        """Whether the dot is so many pixels away, through a wall or not."""
        return (states[..., :2] - goals[..., :2]).norm(dim=-1) >= self.far


@dataclass(frozen=True)
class CarefulPolicy:
    """Pursues goals by planning around the zone of each episode; `positions` reads the dot's place from states."""

    world: TwoRooms
    model: WorldModel
    planning: Planning
    observe: Observe
    positions: Callable[[State], Float[Tensor, "b s h p"]]
    device: torch.device | str = "cpu"
    name: str = "planning around zones"

    def begin(self, goals: Moments, seeds: Sequence[int]) -> GoalActor:
        """Learns where the zones are, and sets out."""
        starts = self.world.start(torch.tensor(seeds))
        zones = KeepOut(
            zones_between(self.world, starts, goals.states[:, -1]).unsqueeze(1),
            torch.tensor([RADIUS]), self.positions, MARGIN,
        )  # fmt: skip

        def cost(wanted: State) -> Weighted:
            return Weighted(((1.0, self.planning.cost(wanted)), (WEIGHT, zones)))

        controller = Controller(self.model, self.planning, Box.of(self.world), cost=cost, device=self.device)
        return PlanningPolicy(controller, self.observe).begin(goals, seeds)


def zones_between(world: TwoRooms, starts: Float[Tensor, "b k"], goals: Float[Tensor, "b k"]) -> Float[Tensor, "b p"]:
    """The middles of the zones: half way from the start to the goal, or to the door, if the goal is behind it."""
    return (starts[:, :2] + _first_stop(world, starts, goals)) / 2


def without_entering(outcome: Outcome, world: TwoRooms) -> Outcome:
    """The same episodes, where success is to have reached the goal and never to have been in the zone.

    Those whose zone would lie over the start, the goal or the door are left out, and counted. Raises ValueError if that
    are all of them.
    """
    starts, places = outcome.states[:, 0], outcome.states[..., :2]
    way = (starts[:, :2] - _first_stop(world, starts, outcome.goals)).norm(dim=1)
    counts = way >= 2 * (RADIUS + world.reach)
    if not bool(counts.any()):
        raise ValueError("no episode is long enough to have a zone on its way; play more of them")
    zones = zones_between(world, starts, outcome.goals)
    entered = ((places - zones.unsqueeze(1)).norm(dim=2) < RADIUS).any(dim=1)
    judged = [
        replace(episode, reached=episode.reached and not bad, final=episode.final and not bad)
        for episode, bad in zip(outcome.episodes, entered.tolist(), strict=True)
    ]
    rows = counts.nonzero()[:, 0].tolist()
    return replace(
        outcome,
        episodes=tuple(judged[row] for row in rows),
        excluded=outcome.excluded + len(judged) - len(rows),
        states=outcome.states[rows],
        goals=outcome.goals[rows],
    )


def _first_stop(world: TwoRooms, starts: Float[Tensor, "b k"], goals: Float[Tensor, "b k"]) -> Float[Tensor, "b p"]:
    """Where a way leads at first: to the goal, or to the door."""
    crosses = (world.room(starts) != world.room(goals)).unsqueeze(1)
    return torch.where(crosses, starts[:, 2:], goals[:, :2])
