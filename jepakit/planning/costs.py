"""What makes a future bad: how far it is from a goal, what it comes near to, what it is worth, how unsure it is.

A `contracts.Cost` gives one number per future. Costs are put together by `Weighted`; a negative weight turns one around
(stay away from there). All are smooth enough for planners that go down a gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from jepakit.config import Config, added
from jepakit.contracts import Cost, Energy, Observation, State, WorldModel
from jepakit.parts import energies
from jepakit.tokens import Tokens

When = Literal["last", "sum"]
"""Which moments of a future count: the last one alone, or all of them."""
Measure = Literal["l1", "l2", "root_l2", "cosine"]
ENERGIES: dict[Measure, Energy] = {
    "l1": energies.l1, "l2": energies.l2, "root_l2": energies.root_l2, "cosine": energies.cosine,
}  # fmt: skip


@dataclass(frozen=True)
class Weighted:
    """A weighted sum of costs. A negative weight turns a cost around: what was to be reached is to be avoided."""

    terms: tuple[tuple[float, Cost], ...]

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("a sum of costs has 1 term or more")

    def __call__(self, states: State, actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
        return torch.stack([weight * cost(states, actions) for weight, cost in self.terms]).sum(dim=0)

    def at(self, observation: Observation) -> "Weighted":
        """The same sum, of costs that know what is seen now."""
        return Weighted(tuple((weight, cost_at(cost, observation)) for weight, cost in self.terms))


@dataclass(frozen=True)
class Distance:
    """How far the latents of a future are from those of a goal, by the energy that the model was trained with."""

    goal: State
    energy: Energy = energies.l2
    when: When = "last"
    discount: float = 1.0
    final: float = 1.0

    def __call__(self, states: State, actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
        return over_time(self._far, states.latent, self.when, self.discount, self.final)

    def _far(self, latent: Float[Tensor, "b s h n d"]) -> Float[Tensor, "b s h"]:
        return compare(self.energy, latent, self.goal.latent)


@dataclass(frozen=True)
class KnownDistance:
    """How far what is known exactly (a pose, a world's state) is from that of a goal; in `places` of it, or in all.

    `scales` make numbers of other units comparable: what is known is multiplied by them first.
    """

    goal: State
    energy: Energy = energies.l2
    when: When = "last"
    discount: float = 1.0
    final: float = 1.0
    places: tuple[int, ...] | None = None
    scales: tuple[float, ...] | None = None

    def __call__(self, states: State, actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
        return over_time(self._far, known(states), self.when, self.discount, self.final)

    def _far(self, moments: Float[Tensor, "b s h k"]) -> Float[Tensor, "b s h"]:
        wanted = known(self.goal)
        if self.places is not None:
            moments, wanted = moments[..., self.places], wanted[..., self.places]
        if self.scales is not None:
            moments, wanted = (part * part.new_tensor(self.scales) for part in (moments, wanted))
        return compare(self.energy, moments.unsqueeze(-2), wanted.unsqueeze(-2))


@dataclass(frozen=True)
class Effort:
    """What is done costs, too: the mean over steps of the sum of squares, in real units.

    So nothing is done without a reason: a gripper that closes by 0.5 pays a hundred times what a hand that moves by
    5 cm does.
    """

    def __call__(self, states: State, actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
        return actions.square().sum(dim=-1).mean(dim=-1)


@dataclass(frozen=True)
class KnownPositions:
    """Reads a position from what is known exactly: the numbers at these places of it."""

    places: tuple[int, ...]

    def __call__(self, states: State) -> Float[Tensor, "b s h p"]:
        return known(states)[..., self.places]


@dataclass(frozen=True)
class KeepOut:
    """How deep a future goes into zones that are not to be entered, as shares of their radii summed over time.

    `positions` reads places [b s h p] from states: from what is known (`KnownPositions`), or by a decoder from the
    latents. Zones are the same in all episodes, or those of each. Outside of all zones nothing is paid. `margin` widens
    them, for models that err.
    """

    centers: Float[Tensor, "*b z p"]
    radii: Float[Tensor, "z"]
    positions: Callable[[State], Float[Tensor, "b s h p"]]
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not bool((self.radii + self.margin > 0).all()):
            raise ValueError(f"zones have radii above 0, got {self.radii.tolist()} and a margin of {self.margin}")

    def __call__(self, states: State, actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
        centers = self.centers.to(actions)
        away = self.positions(states).unsqueeze(-2) - (centers if centers.dim() == 2 else centers[:, None, None])
        radii = self.radii.to(actions) + self.margin
        nearness = 1 - torch.linalg.vector_norm(away, dim=-1) / radii
        return nearness.clamp(min=0).sum(dim=(2, 3))


@dataclass(frozen=True)
class Value:
    """What a learned critic says of a future: `critic` reads costs still to come [b s h] from states."""

    critic: Callable[[State], Float[Tensor, "b s h"]]
    when: When = "last"
    discount: float = 1.0

    def __call__(self, states: State, actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
        return over_time(lambda costs: costs, self.critic(states), self.when, self.discount)


@dataclass(frozen=True)
class Disagreement:
    """How unsure a future is: the variance of what several imagine under the same actions, summed over time.

    `others` imagine beside the model that plans, from the same moment: members of an ensemble that share its encoder.
    What is seen at that moment each of them encodes itself, once a plan (`at`), for a predictor remembers in its own
    way. Variances are averaged over the numbers of a latent.
    """

    others: tuple[WorldModel, ...]
    starts: tuple[State, ...] = ()

    def __post_init__(self) -> None:
        if not self.others:
            raise ValueError("one model does not disagree with itself; give 1 other or more")

    def at(self, observation: Observation) -> "Disagreement":
        """The same cost, from what is seen now on."""
        with torch.no_grad():
            return replace(self, starts=tuple(model.encode(observation) for model in self.others))

    def __call__(self, states: State, actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
        """Raises ValueError where nobody has said from where (`at`)."""
        if not self.starts:
            raise ValueError(
                "what others imagine begins at what is seen now; plan with a Controller, or call `at` first"
            )
        others = [model.imagine(start, actions).latent for model, start in zip(self.others, self.starts, strict=True)]
        return torch.stack([states.latent, *others]).var(dim=0, correction=0).mean(dim=(-2, -1)).sum(dim=2)


@runtime_checkable
class Situated(Protocol):
    """A cost that has to know, at every plan anew, what is seen when it begins."""

    def at(self, observation: Observation) -> Cost: ...


def cost_at(cost: Cost, observation: Observation) -> Cost:
    """The cost of a plan that begins at what is seen now."""
    return cost.at(observation) if isinstance(cost, Situated) else cost


@dataclass(frozen=True, kw_only=True)
class Reach(Config):
    """Makes the cost of a goal: the distance in the latents, and `felt` times that in what is known exactly.

    In a sum over time, the last moment counts `final` times. "l2" is the mean of squares, "root_l2" its root, which
    grows like a way does: so that it pays to go around a wall. `places` are those of what is known that count, and
    `scales` what they are multiplied by. The numbers of jepa-wms (2512.24497) are felt 0.1, or 0. `effort` weighs what
    is done (`Effort`).
    """

    measure: Measure = "l2"
    when: When = "last"
    discount: float = 1.0
    final: float = added(1.0)
    seen: float = 1.0
    felt: float = 0.0
    places: tuple[int, ...] | None = None
    scales: tuple[float, ...] | None = added(None)
    effort: float = added(0.0)

    def __post_init__(self) -> None:
        if self.effort < 0:
            raise ValueError(f"effort costs 0 or more, got {self.effort}")
        if self.seen == 0 and self.felt == 0:
            raise ValueError("a goal that is neither seen nor felt costs nothing; give `seen` or `felt` a weight")
        if (self.places is not None or self.scales is not None) and self.felt == 0:
            raise ValueError("`places` and `scales` are of what is felt, which has no weight; give `felt` one")
        if self.places is not None and self.scales is not None and len(self.places) != len(self.scales):
            raise ValueError(f"there is a scale for each place: {len(self.places)} places, {len(self.scales)} scales")
        if not 0 < self.discount <= 1:
            raise ValueError(f"discount is in (0, 1], got {self.discount}")
        if self.final <= 0 or (self.when == "last" and self.final != 1):
            raise ValueError(
                f"`final` is a weight above 0 in a sum over time, got {self.final} with when={self.when!r}"
            )

    def __call__(self, goal: State) -> Cost:
        """The cost of not reaching this goal."""
        energy, terms = ENERGIES[self.measure], list[tuple[float, Cost]]()
        if self.seen:
            terms.append((self.seen, Distance(goal, energy, self.when, self.discount, self.final)))
        if self.felt:
            felt = KnownDistance(goal, energy, self.when, self.discount, self.final, self.places, self.scales)
            terms.append((self.felt, felt))
        if self.effort:
            terms.append((self.effort, Effort()))
        return Weighted(tuple(terms))


def over_time(
    cost: Callable[[Tensor], Float[Tensor, "b s h"]],
    moments: Float[Tensor, "b s h ..."],
    when: When,
    discount: float,
    final: float = 1.0,
) -> Float[Tensor, "b s"]:
    """The cost of the last moment, or of all: each `discount` times that of the one before, the last `final` times."""
    if when == "last":
        return cost(moments[:, :, -1:])[:, :, 0]
    costs = cost(moments)
    weights = discount ** torch.arange(costs.shape[2], dtype=costs.dtype, device=costs.device)
    weights[-1] *= final
    return costs @ weights


def compare(
    energy: Energy, moments: Float[Tensor, "b s h n d"], goal: Float[Tensor, "b n d"]
) -> Float[Tensor, "b s h"]:
    """The energy of each moment and the goal of its episode."""
    wanted = goal[:, None, None].expand_as(moments)
    return energy(as_tokens(moments), as_tokens(wanted)).unflatten(0, moments.shape[:3])


def as_tokens(values: Float[Tensor, "b s h n d"]) -> Tokens:
    """One sample for each moment, with tokens of no place in particular."""
    flat = values.flatten(0, 2)
    return Tokens(flat, flat.new_zeros(*flat.shape[:2], 0))


def known(states: State) -> Float[Tensor, "... k"]:
    """What is known exactly. Raises ValueError where nothing is."""
    if states.known is None:
        raise ValueError("this cost reads what is known exactly, and the model's states have none; set `felt` to 0")
    return states.known
