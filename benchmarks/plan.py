"""What a plan takes: CEM with 300 samples, 30 iterations and 5 blocks of actions, in models that see 64 x 64 pictures.

    python -m benchmarks.plan

CPU-seconds of one thread, from the picture to the actions, in one episode and in a batch of ten. The claim is of
the model that `worlds:two_rooms` trains, whose frames are one vector. Models whose frames are maps are reported without
a mark. Weights are random: they change nothing in what it takes.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.record import interleave, record
from jepakit.config import Config
from jepakit.contracts import Observation
from jepakit.family import leworld, pldm
from jepakit.methods.world_model import WorldModelJEPA
from jepakit.planning.actions import Box
from jepakit.planning.cem import CEM
from jepakit.planning.control import Controller, Planning

GOAL, TOGETHER = 1.0, 10
PLANNING = Planning(planner=CEM(samples=300, elites=30, iterations=30), horizon=5)
MODELS: dict[str, Config] = {
    "PLDM nano, an MLP": pldm.PLANNER,
    "LeWM nano, an MLP": leworld.NANO,
    "PLDM, maps of 8 x 8": pldm.MAZE,
}
CLAIMED, MAPS = "PLDM nano, an MLP", "PLDM, maps of 8 x 8"


def pursue(model: WorldModelJEPA, episodes: int) -> Callable[[], object]:
    """A plan for so many episodes, from pictures of where they are; their goals are encoded before."""
    box = Box(low=(-2.45, -2.45), high=(2.45, 2.45), longest=2.45)
    draw = torch.Generator().manual_seed(0)
    goal, now = (Observation(torch.randn(episodes, 3, 1, 64, 64, generator=draw)) for _ in range(2))
    controller = Controller(model, PLANNING, box)
    return lambda: controller.begin(goal, range(episodes))(now)


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/plan.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each model plans")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title="CPU-seconds of a plan, one thread")
    for column in ("model", "predictor, parameters", "one episode", f"each of {TOGETHER}"):
        table.add_column(column, justify="right")
    rows = {}
    for name, config in MODELS.items():
        model = config.build().eval()
        size = sum(weight.numel() for weight in model.dynamics.parameters())
        sides = {"one": pursue(model, 1)}
        if name != MAPS:
            sides["ten"] = pursue(model, TOGETHER)
        seconds = interleave(sides, arguments.rounds if name != MAPS else 1, clock=time.process_time)
        ten = statistics.median(seconds["ten"]) / TOGETHER if "ten" in seconds else None
        rows[name] = {"parameters": size, "seconds": seconds, "one": statistics.median(seconds["one"]), "of_ten": ten}
        table.add_row(name, f"{size:,}", f"{rows[name]['one']:.3f}", "" if ten is None else f"{ten:.3f}")
    Console().print(table)
    taken = rows[CLAIMED]["seconds"]["one"]
    value = {"value": statistics.median(taken), "low": min(taken), "high": max(taken), "n": len(taken)}
    body = {
        "claims": {"speed.plan.cpu_seconds": {**value, "unit": "CPU-seconds"}},
        "goal": GOAL,
        "planning": PLANNING.to_json(),
        "rows": rows,
    }
    print(f"written to {record('plan', body)}")


if __name__ == "__main__":
    main()
