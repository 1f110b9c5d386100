"""How fast poses are moved: all candidates of a plan at once against SciPy, one after the other.

    python -m benchmarks.pose

The plain side is what the released planner of V-JEPA 2-AC does for each of its candidates: two rotations made from
Euler angles, multiplied, and turned into angles again. Both sides are shown to agree before the clock starts. SciPy's
own batches are the third side: they tell how much of the ratio is the loop. The goal is a ratio of 50 at 400 poses.
"""

import argparse
import statistics
import time
from functools import partial

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation
from torch import Tensor

from benchmarks.record import control_holds, interleave, ratio, record
from jepakit import poses

COUNT, GOAL, AFAR = 400, 50.0, 1e-5
TIMES = {"one by one": 1, "SciPy's batch": 100, "jepakit": 100, "jepakit again": 100}


def draw(count: int) -> tuple[Tensor, Tensor]:
    """Poses all over, and small actions, in float32."""
    generator = torch.Generator().manual_seed(0)
    states = torch.rand(count, 7, generator=generator)
    states[:, 3:6] = 2.8 * states[:, 3:6] - 1.4
    return states, 0.2 * torch.rand(count, 7, generator=generator) - 0.1


def move_one_by_one(states: Tensor, actions: Tensor) -> Tensor:
    """Where each action leads, by SciPy, in a loop."""
    moved = []
    for state, action in zip(states.numpy(), actions.numpy(), strict=True):
        turned = Rotation.from_euler("xyz", action[3:6]) * Rotation.from_euler("xyz", state[3:6])
        grip = np.clip(state[6:] + action[6:], 0, 1)
        moved.append(np.concatenate([state[:3] + action[:3], turned.as_euler("xyz"), grip]))
    return torch.from_numpy(np.stack(moved)).float()


def move_by_batch(states: Tensor, actions: Tensor) -> Tensor:
    """The same by SciPy, for all of them in one call."""
    before, change = states.numpy(), actions.numpy()
    turned = Rotation.from_euler("xyz", change[:, 3:6]) * Rotation.from_euler("xyz", before[:, 3:6])
    grip = np.clip(before[:, 6:] + change[:, 6:], 0, 1)
    return torch.from_numpy(np.concatenate([before[:, :3] + change[:, :3], turned.as_euler("xyz"), grip], 1)).float()


def measure(rounds: int, count: int = COUNT) -> dict[str, list[float]]:
    """Seconds of the process for `count` poses, by each side: others on the machine disturb them less than the wall's.

    Raises ValueError where the sides do not agree.
    """
    given = draw(count)
    sides = {"one by one": move_one_by_one, "SciPy's batch": move_by_batch, "jepakit": poses.move}
    ours = poses.move(*given)
    for name, side in sides.items():
        if not torch.allclose(side(*given), ours, atol=AFAR):
            raise ValueError(f"{name} moves poses elsewhere, so there is nothing to compare")

    def several(name: str) -> None:
        for _ in range(TIMES[name]):
            sides[name.removesuffix(" again")](*given)

    seconds = interleave({name: partial(several, name) for name in TIMES}, rounds, warmup=2, clock=time.process_time)
    return {name: [time / TIMES[name] for time in found] for name, found in seconds.items()}


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/pose.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=61, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seconds = measure(arguments.rounds)
    control = ratio(seconds["jepakit again"], seconds["jepakit"])
    ratios = {name: ratio(seconds[name], seconds["jepakit"]) for name in ("one by one", "SciPy's batch")}
    table = Table(title=f"Moving {COUNT} poses, one thread; control {control['value']:.3f}")
    for column in ("side", "ms", "times jepakit's", "5 % to 95 %"):
        table.add_column(column, justify="right")
    for name, found in ratios.items():
        milliseconds = f"{1e3 * statistics.median(seconds[name]):.2f}"
        table.add_row(name, milliseconds, f"{found['value']:.1f}", f"{found['low']:.1f} to {found['high']:.1f}")
    table.add_row("jepakit", f"{1e3 * statistics.median(seconds['jepakit']):.3f}", "", "")
    Console().print(table)
    valid = control_holds(control)
    claims = {"speed.pose.ratio": {**ratios["one by one"], "unit": "times"}} if valid else {}
    body = {"claims": claims, "valid": valid, "control": control, "goal": GOAL, "ratios": ratios}
    print(f"written to {record('pose', body)}")


if __name__ == "__main__":
    main()
