"""Receding horizon: plan, do a part of it, look again, plan on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import _pytree as pytree

from jepakit.config import Config
from jepakit.contracts import Cost, Observation, State, WorldModel
from jepakit.planning.actions import ActionSpace
from jepakit.planning.cem import CEM
from jepakit.planning.costs import Reach, cost_at
from jepakit.planning.planner import CostsOf, Plan, Planner, generators_for

SEARCH, REACH = CEM(), Reach()


@dataclass(frozen=True, kw_only=True)
class Timing(Config):
    """How decisions become steps of the world, and how a model is told of these.

    A decision is done for `hold` steps in a row. A model imagines `skip` steps at a time and is told of their actions
    side by side ("concatenate") or of their sum: as the data were cut that it learnt from (`data.trajectories`).
    """

    hold: int = 1
    skip: int = 1
    told: Literal["concatenate", "sum"] = "concatenate"

    def __post_init__(self) -> None:
        if self.hold < 1 or self.skip < 1:
            raise ValueError(f"hold and skip are 1 step or more, got {self.hold} and {self.skip}")

    def done(self, decisions: Float[Tensor, "*s d a"]) -> Float[Tensor, "*s u a"]:
        """The actions of every step."""
        return decisions if self.hold == 1 else decisions.repeat_interleave(self.hold, dim=-2)

    def told_of(self, actions: Float[Tensor, "*s u a"]) -> Float[Tensor, "*s h w"]:
        """What a model is told of these steps. Raises ValueError where they are no whole number of its own."""
        if actions.shape[-2] % self.skip:
            raise ValueError(
                f"the model imagines {self.skip} steps at a time, and {actions.shape[-2]} are no multiple of it; "
                "change hold or the horizon"
            )
        if self.skip == 1:
            return actions
        blocks = actions.unflatten(-2, (-1, self.skip))
        return blocks.flatten(-2) if self.told == "concatenate" else blocks.sum(dim=-2)

    def undone(self, told: Float[Tensor, "*s w"]) -> Float[Tensor, "*s u a"]:
        """The actions of every step that a model's one action stands for: a sum was as much in each of them."""
        if self.told == "sum":
            return (told / self.skip).unsqueeze(-2).repeat_interleave(self.skip, dim=-2)
        return told.unflatten(-1, (self.skip, -1))


ONE_TO_ONE = Timing()


@dataclass(frozen=True, kw_only=True)
class Planning(Config):
    """All numbers of planning: who searches, how far ahead, for what, and how much of a plan is done.

    `horizon` counts decisions, `execute` steps of the world until the next plan: None does all of a plan (open loop),
    1 plans again at every step. With `warm`, the next search begins where this plan goes on.
    """

    planner: Planner = SEARCH
    horizon: int = 5
    cost: Reach = REACH
    timing: Timing = ONE_TO_ONE
    execute: int | None = 1
    warm: bool = True

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ValueError(f"a plan has 1 decision or more, got a horizon of {self.horizon}")
        steps, hold, skip = self.horizon * self.timing.hold, self.timing.hold, self.timing.skip
        if steps % skip:
            raise ValueError(f"a plan of {steps} steps is no multiple of the {skip} that the model imagines at a time")
        if self.execute is not None and (not 1 <= self.execute <= steps or self.execute % hold):
            raise ValueError(
                f"execute is a multiple of hold ({hold}) and at most the {steps} steps of a plan, got {self.execute}"
            )

    @property
    def steps(self) -> int:
        """How many steps of the world are done of each plan."""
        return self.horizon * self.timing.hold if self.execute is None else self.execute

    def __str__(self) -> str:
        timing, steps = self.timing, self.horizon * self.timing.hold
        told = f", {timing.skip} a step of the model ({timing.told})" if timing.skip > 1 else ""
        again = "open loop" if self.execute is None else f"execute {self.execute}"
        warm = "warm" if self.warm else "cold"
        return f"{self.planner}, {self.horizon} decisions = {steps} steps{told}, {again}, {warm}, {self.cost}"


class Controller:
    """Pursues goals with a model: give it what is seen, and it says what to do next.

    `cost` makes the cost of a goal where numbers do not say all of it (a decoder, a critic, an ensemble); else it is
    `planning.cost`. `device` is where the model is; `at_once` limits how many candidates it imagines at a time.
    """

    def __init__(
        self,
        model: WorldModel,
        planning: Planning,
        space: ActionSpace,
        cost: Callable[[State], Cost] | None = None,
        device: torch.device | str = "cpu",
        at_once: int | None = None,
    ) -> None:
        if at_once is not None and at_once < 1:
            raise ValueError(f"at_once is 1 candidate or more, got {at_once}")
        self.model, self.planning, self.space = model, planning, space
        self.cost, self.device, self.at_once = cost or planning.cost, device, at_once

    def begin(self, goal: Observation, seeds: Sequence[int]) -> "Pursuit":
        """Sets out for the goals of b episodes. The search in an episode depends on its seed alone."""
        with torch.no_grad():
            wanted = self.model.encode(moved(goal, self.device))
        return Pursuit(self, self.cost(wanted), seeds)

    def costs_of(self, state: State, cost: Cost) -> CostsOf:
        """What planners ask: how bad is what follows from `state` under these decisions?"""

        def costs(decisions: Float[Tensor, "b s d a"]) -> Float[Tensor, "b s"]:
            parts = decisions.split(self.at_once or decisions.shape[1], dim=1)
            return torch.cat([imagined(part) for part in parts], dim=1)

        def imagined(decisions: Float[Tensor, "b s d a"]) -> Float[Tensor, "b s"]:
            timing = self.planning.timing
            actions = timing.told_of(timing.done(decisions)).to(self.device)
            return cost(self.model.imagine(state, actions), actions).float().cpu()

        return costs


class Pursuit:
    """A controller on its way to the goals of some episodes: called with what is seen, in order, it says what to do.

    `plan` is the newest plan, of decisions.
    """

    def __init__(self, controller: Controller, cost: Cost, seeds: Sequence[int]) -> None:
        self.controller, self.cost, self.seeds = controller, cost, list(seeds)
        self.plan: Plan | None = None
        self._calls = 0

    def __call__(self, observation: Observation) -> Float[Tensor, "b e a"]:
        """The next actions, as many as are done before it wants to look again."""
        controller, planning = self.controller, self.controller.planning
        seen = moved(observation, controller.device)
        with torch.no_grad():
            state = controller.model.encode(seen)
        self.plan = planning.planner.plan(
            controller.costs_of(state, cost_at(self.cost, seen)),
            controller.space,
            planning.horizon,
            generators_for(self.seeds, self._calls),
            self._start(),
        )
        self._calls += 1
        return planning.timing.done(self.plan.actions)[:, : planning.steps]

    def _start(self) -> Plan | None:
        """What is left of the last plan; nothing where all of it was done."""
        planning = self.controller.planning
        done = planning.steps // planning.timing.hold
        if self.plan is None or not planning.warm or done >= planning.horizon:
            return None
        return self.plan.later(done, self.controller.space)


def moved(observation: Observation, device: torch.device | str) -> Any:
    """The observation on a device."""
    return pytree.tree_map_only(Tensor, lambda part: part.to(device), observation)
