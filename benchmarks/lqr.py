"""How near planners come to the known optimum of a linear system with quadratic cost.

    python -m benchmarks.lqr

A point with mass in the plane, with friction and a sideways pull, has to come to rest at the origin without pushing
hard: x' = A x + B u, cost sum x'Qx + u'Ru. Its least cost follows from Riccati's recursion, in float64 (Kalman 1960;
with Gaussian noise on the states the best actions in expectation are the same). The claim is the largest gap, as a
share of the least cost, of any planner in any of the episodes. None of the planners is told that the problem is linear.
"""

import argparse
import time
from dataclasses import dataclass

import torch
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.record import record
from jepakit.planning.actions import Box
from jepakit.planning.cem import CEM, ICEM
from jepakit.planning.gradient import Gradient
from jepakit.planning.mixed import Mixed
from jepakit.planning.mppi import MPPI
from jepakit.planning.planner import CostsOf, Planner, generators_for

HORIZON, EPISODES, GOAL = 8, 100, 0.01
BOX = Box(low=(-8.0, -8.0), high=(8.0, 8.0))
PLANNERS: dict[str, Planner] = {
    "CEM": CEM(),
    "iCEM": ICEM,
    "MPPI": MPPI(),
    "gradient": Gradient(),
    "mixed": Mixed(),
}


@dataclass(frozen=True)
class System:
    """x' = A x + B u, which costs x'Qx + u'Ru at every step, and x'Px at the end."""

    move: Float[Tensor, "k k"]
    push: Float[Tensor, "k a"]
    place: Float[Tensor, "k k"]
    effort: Float[Tensor, "a a"]
    end: Float[Tensor, "k k"]


def system() -> System:
    """A mass in the plane: places and velocities, friction, and a pull to the side of where it moves."""
    turn = torch.tensor([[0.0, 0.15], [-0.15, 0.0]])
    eye, none = torch.eye(2), torch.zeros(2, 2)
    move = torch.cat([torch.cat([eye, 0.3 * eye], 1), torch.cat([none, 0.9 * eye + turn], 1)])
    place = torch.block_diag(eye, 0.1 * eye)
    return System(move, torch.cat([none, 0.3 * eye]), place, 0.2 * eye, 5 * place)


def starts(episodes: int) -> Float[Tensor, "b k"]:
    """Where episodes begin: places and velocities."""
    return torch.randn(episodes, 4, generator=torch.Generator().manual_seed(0))


def costs_of(world: System, states: Float[Tensor, "b k"]) -> CostsOf:
    """What sequences of actions cost from these states."""

    def costs(actions: Float[Tensor, "b s h a"]) -> Float[Tensor, "b s"]:
        x = states.to(actions.dtype)[:, None].expand(-1, actions.shape[1], -1)
        total = actions.new_zeros(actions.shape[:2])
        for u in actions.unbind(dim=2):
            total = total + quadratic(x, world.place) + quadratic(u, world.effort)
            x = x @ world.move.T.to(x.dtype) + u @ world.push.T.to(x.dtype)
        return total + quadratic(x, world.end)

    return costs


def quadratic(x: Float[Tensor, "*s k"], matrix: Float[Tensor, "k k"]) -> Float[Tensor, "*s"]:
    """x' M x."""
    return ((x @ matrix.to(x.dtype)) * x).sum(dim=-1)


def optimum(world: System, states: Float[Tensor, "b k"], horizon: int) -> tuple[Tensor, Float[Tensor, "b h a"]]:
    """The least cost [b], and the actions that reach it: Riccati's recursion backwards in time, in float64."""
    move, push = world.move.double(), world.push.double()
    value, gains = world.end.double(), []
    for _ in range(horizon):
        inner = world.effort.double() + push.T @ value @ push
        gain = torch.linalg.solve(inner, push.T @ value @ move)
        value = world.place.double() + move.T @ value @ (move - push @ gain)
        gains.insert(0, gain)
    x, actions = states.double(), []
    for gain in gains:
        actions.append(-x @ gain.T)
        x = x @ move.T + actions[-1] @ push.T
    return quadratic(states.double(), value), torch.stack(actions, dim=1)


def gap_of(planner: Planner, world: System, states: Float[Tensor, "b k"], horizon: int) -> Float[Tensor, "b"]:
    """How much more than the least cost a planner's actions cost, as a share; computed in float64."""
    plan = planner.plan(costs_of(world, states), BOX, horizon, generators_for(range(len(states))))
    least, _ = optimum(world, states, horizon)
    return costs_of(world, states)(plan.actions.double().unsqueeze(1)).squeeze(1) / least - 1


def main() -> None:
    """Plans, prints a table and writes results/benchmarks/lqr.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    world, states = system(), starts(arguments.episodes)
    _, best = optimum(world, states, HORIZON)
    if not torch.equal(BOX.project(best), best):
        raise SystemExit("the best actions leave the box, so Riccati's optimum does not hold in it; widen it")
    table = Table(title=f"Gap to the least cost, {len(states)} episodes of {HORIZON} steps, one thread")
    for column in ("planner", "largest gap", "mean gap", "CPU-ms a plan"):
        table.add_column(column, justify="right")
    rows = {}
    for name, planner in PLANNERS.items():
        begin = time.process_time()
        gaps = gap_of(planner, world, states, HORIZON)
        seconds = (time.process_time() - begin) / len(states)
        rows[name] = {"max_gap": gaps.max().item(), "mean_gap": gaps.mean().item(), "cpu_seconds": seconds}
        table.add_row(name, f"{gaps.max():.2%}", f"{gaps.mean():.2%}", f"{1e3 * seconds:.1f}")
    Console().print(table)
    gaps = [row["max_gap"] for row in rows.values()]
    bounds = {"value": max(gaps), "low": min(gaps), "high": max(gaps), "n": len(rows) * len(states)}
    claim = {"planners.lqr.max_gap": {**bounds, "unit": "share"}}
    planners = {name: planner.to_json() for name, planner in PLANNERS.items()}
    body = {"claims": claim, "goal": GOAL, "horizon": HORIZON, "rows": rows, "planners": planners}
    print(f"written to {record('lqr', body)}")


if __name__ == "__main__":
    main()
