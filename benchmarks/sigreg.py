"""How fast SIGReg is, forward and backward, and how little memory it takes, against its formula written down directly.

    python -m benchmarks.sigreg

The direct side computes cosines and sines over [samples, directions, knots]; the complex one is the same in complex
numbers. All sides draw their directions and run on one thread in one process, whose CPU time is counted. Freed memory
is kept there, which favors the direct side: what it costs to get fresh pages for large tensors is left out (`fresh` in
the rows has it). `jepa-science` is one more side where it is installed. Memory is read from /proc: Linux only.

The goals: 2.5 times as fast in the geometric mean over three sizes and 2 times in each; 20 times less growth of memory;
values and gradients within 1e-5; time and memory grow with the batch with a slope of at most 1.1 in logarithms; 256
embeddings of width 512 cost less than 10 % of 32 steps of ViT-S/16 at batch 8, which are as many pictures.
"""

import argparse
import ctypes
import importlib
import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.memory import growth, in_a_process
from benchmarks.record import control_holds, interleave, ratio, record
from benchmarks.steps import jepakit_step, noise
from jepakit.contracts import Rows, step_at
from jepakit.family.ijepa import VIT_S16
from jepakit.parts.regularizers.sigreg import SIGReg, draw_directions

SIZES = ((512, 64, 1024), (512, 512, 1024), (2048, 64, 1024))
"""Samples, width, directions."""
LARGEST = SIZES[-1]
BATCHES = (256, 512, 1024, 2048, 4096)
KNOTS, RANGE = 17, 3.0
TOLERANCE, GOAL, LEAST, GOAL_MEMORY, GOAL_SLOPE, GOAL_SHARE = 1e-5, 2.5, 2.0, 20.0, 1.1, 0.1
STEPS, STEP_BATCH, EMBEDDINGS = 32, 8, (256, 512, 1024)
PEER = "jepa_science"

Loss = Callable[[Float[Tensor, "n d"]], Tensor]


def jepakit(directions: int) -> Loss:
    """Ours."""
    regularizer = SIGReg(directions, KNOTS, RANGE)
    return lambda z: regularizer(z.unsqueeze(0), step_at(0, 1, Rows(0, len(z), len(z))))


def projected(z: Float[Tensor, "n d"], directions: int) -> Float[Tensor, "n s"]:
    """Along the directions that ours draws."""
    return z @ draw_directions(z.shape[1], directions, step_at(0, 1, Rows(0, len(z), len(z)))).T


def knots_and_weights() -> tuple[Float[Tensor, "k"], Float[Tensor, "k"]]:
    """Knots on the half line and their weights for the whole of it, by the trapezoidal rule."""
    knots = torch.linspace(0, RANGE, KNOTS)
    weights = torch.full_like(knots, 2 * RANGE / (KNOTS - 1))
    weights[[0, -1]] /= 2
    return knots, weights * torch.exp(-knots.square() / 2)


def direct(directions: int) -> Loss:
    """Cosines and sines of every number at every knot."""
    knots, weights = knots_and_weights()
    normal = torch.exp(-knots.square() / 2)

    def loss(z: Tensor) -> Tensor:
        angles = projected(z, directions).unsqueeze(-1) * knots
        apart = (angles.cos().mean(dim=0) - normal).square() + angles.sin().mean(dim=0).square()
        return len(z) * (apart @ weights).mean()

    return loss


def complex_form(directions: int) -> Loss:
    """Complex exponentials of every number at every knot."""
    knots, weights = knots_and_weights()
    normal = torch.exp(-knots.square() / 2)

    def loss(z: Tensor) -> Tensor:
        waves = torch.exp(1j * projected(z, directions).unsqueeze(-1) * knots)
        return len(z) * ((waves.mean(dim=0) - normal).abs().square() @ weights).mean()

    return loss


def peer(directions: int) -> Loss:
    """The SIGReg of `jepa-science`."""
    return importlib.import_module(PEER).SIGReg(num_slices=directions, n_knots=KNOTS, t_max=RANGE)


MAKERS: dict[str, Callable[[int], Loss]] = {
    "direct": direct,
    "complex": complex_form,
    "jepakit": jepakit,
    "jepakit again": jepakit,
    **({"jepa-science": peer} if importlib.util.find_spec(PEER) else {}),
}


def embeddings(samples: int, width: int) -> Float[Tensor, "n d"]:
    """A batch that asks for a gradient."""
    return torch.randn(samples, width, generator=torch.Generator().manual_seed(1)).requires_grad_()


def differentiate(loss: Loss, z: Float[Tensor, "n d"]) -> tuple[Tensor, Tensor]:
    """The value and its gradient."""
    value = loss(z)
    (gradient,) = torch.autograd.grad(value, z)
    return value.detach(), gradient


def largest_difference(size: tuple[int, int, int]) -> float:
    """Between ours and the direct form: of values relative to them, and of gradients."""
    z = embeddings(*size[:2])
    (value, gradient), (expected, slope) = (differentiate(make(size[2]), z) for make in (jepakit, direct))
    return max(((value - expected).abs() / expected).item(), (gradient - slope).abs().max().item())


def times(size: tuple[int, int, int], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side."""
    z = embeddings(*size[:2])
    losses = {side: make(size[2]) for side, make in MAKERS.items()}
    return counted({side: (lambda loss=loss: differentiate(loss, z)) for side, loss in losses.items()}, rounds)


def counted(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each side in each round: on one thread, what others do on the machine matters less to them."""
    return interleave(sides, rounds, clock=time.process_time)


def summarize(found: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Milliseconds of each side and how many times slower than ours it is."""
    others = [side for side in found if not side.startswith("jepakit")]
    return {
        "milliseconds": {side: 1e3 * statistics.median(seconds) for side, seconds in found.items()},
        "ratios": {side: ratio(found[side], found["jepakit"]) for side in others},
        "control": ratio(found["jepakit again"], found["jepakit"]),
    }


def geometric_means(found: Sequence[Mapping[str, Sequence[float]]], side: str) -> list[float]:
    """Over the sizes, round by round."""
    return [statistics.geometric_mean(row) for row in zip(*(seconds[side] for seconds in found), strict=True)]


def least_of(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How many times as fast as the direct form ours is at the size where that is least."""
    return min((row["ratios"]["direct"] for row in rows.values()), key=lambda found: found["value"])


def slope(batches: Sequence[int], found: Sequence[Sequence[float]]) -> dict[str, float]:
    """How steeply the rounds of each batch size grow with it, in logarithms: median and extremes over the rounds."""
    rounds = np.log(np.array(found)).T
    slopes = [float(np.polyfit(np.log(batches), row, 1)[0]) for row in rounds]
    return {"value": statistics.median(slopes), "low": min(slopes), "high": max(slopes), "n": len(slopes)}


def measure_growth(side: str, size: Sequence[int]) -> float:
    """Megabytes by which memory grows in this process for one value and gradient."""
    loss = MAKERS[side](size[2])

    def step(z: Tensor) -> None:
        differentiate(loss, z.detach().requires_grad_())

    return growth(step, embeddings(size[0], size[1]))


def megabytes(side: str, size: Sequence[int], rounds: int) -> list[float]:
    """The same, each time in a fresh process."""
    return [in_a_process("benchmarks.sigreg", f"{side},{','.join(map(str, size))}") for _ in range(rounds)]


def share_of_steps(rounds: int) -> dict[str, Any]:
    """Ours on 256 embeddings against the training steps that as many pictures take."""
    z, x = embeddings(*EMBEDDINGS[:2]), noise(VIT_S16, STEP_BATCH)
    loss, step = jepakit(EMBEDDINGS[2]), jepakit_step(VIT_S16.build())
    found = counted({"sigreg": lambda: differentiate(loss, z), "step": lambda: step(x)}, rounds)
    share = ratio(found["sigreg"], found["step"])
    return {key: number if key == "n" else number / STEPS for key, number in share.items()}


def keep_memory() -> None:
    """From now on, this process gives no freed memory back to the system (glibc), so that tensors reuse pages."""
    library = ctypes.CDLL(None)
    library.mallopt(-4, 0)  # M_MMAP_MAX: never map a large tensor by itself
    library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: hardly ever shrink the heap


def measure(rounds: int, processes: int) -> dict[str, Any]:
    """Everything, and the claims."""
    torch.set_num_threads(1)
    errors = {str(size): largest_difference(size) for size in SIZES}
    if max(errors.values()) > TOLERANCE:
        raise AssertionError(f"ours is {max(errors.values()):.1e} from the direct form: nothing to time")
    fresh = {str(size): summarize(times(size, max(rounds // 3, 1))) for size in SIZES}
    keep_memory()
    found = [times(size, rounds) for size in SIZES]
    rows = {str(size): summarize(seconds) for size, seconds in zip(SIZES, found, strict=True)}
    ours, again = geometric_means(found, "jepakit"), geometric_means(found, "jepakit again")
    control = ratio(again, ours)
    z = {batch: embeddings(batch, LARGEST[1]) for batch in BATCHES}
    loss = jepakit(LARGEST[2])
    grown = counted({str(batch): (lambda x=x: differentiate(loss, x)) for batch, x in z.items()}, rounds)
    memory = {side: megabytes(side, LARGEST, processes) for side in ("direct", "jepakit")}
    by_batch = [megabytes("jepakit", (batch, *LARGEST[1:]), processes) for batch in BATCHES]
    speed = {**ratio(geometric_means(found, "direct"), ours), "unit": "times"}
    claims = {
        "speed.sigreg.ratio": speed,
        "speed.sigreg.least": {**least_of(rows), "unit": "times"},
        "memory.sigreg.ratio": {**ratio(memory["direct"], memory["jepakit"]), "unit": "times"},
        "speed.sigreg.share_of_step": {
            **share_of_steps(max(rounds // 3, 1)),
            "unit": f"share of {STEPS} steps of ViT-S/16 at batch {STEP_BATCH}, derived",
        },
        "speed.sigreg.slope": {**slope(BATCHES, list(grown.values())), "unit": "slope in logarithms"},
        "memory.sigreg.slope": {**slope(BATCHES, by_batch), "unit": "slope in logarithms"},
    }
    if "jepa-science" in MAKERS:
        claims["speed.sigreg_vs_jepa_science.ratio"] = {
            **ratio(geometric_means(found, "jepa-science"), ours),
            "unit": "times",
        }
    valid = control_holds(control)
    return {
        "claims": claims if valid else {}, "valid": valid, "control": control, "errors": errors, "rows": rows,
        "fresh": fresh, "megabytes": {**memory, "by batch": dict(zip(map(str, BATCHES), by_batch, strict=True))},
    }  # fmt: skip


def show(found: Mapping[str, Any]) -> None:
    """Prints the table."""
    table = Table(title="SIGReg, forward and backward, one thread")
    for column in (
        "samples, width, directions",
        "jepakit, ms",
        *(f"{side}, times" for side in MAKERS if "kit" not in side),
    ):
        table.add_column(column)
    for size, row in found["rows"].items():
        ratios = [f"{each['value']:.2f}" for each in row["ratios"].values()]
        table.add_row(size, f"{row['milliseconds']['jepakit']:.1f}", *ratios)
    console = Console()
    console.print(table)
    for name, claim in found["claims"].items():
        console.print(f"{name}: {claim['value']:.4g} ({claim['low']:.4g} to {claim['high']:.4g}) {claim['unit']}")
    console.print(f"control: {found['control']['value']:.3f}" + ("" if found["valid"] else ", too busy: measure again"))


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/sigreg.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, help="how often each side runs")
    parser.add_argument("--processes", type=int, default=3, help="fresh processes for each figure of memory")
    parser.add_argument("--side", help="measure the memory of SIDE,SAMPLES,WIDTH,DIRECTIONS in this process, print it")
    arguments = parser.parse_args()
    if arguments.side:
        side, *size = arguments.side.split(",")
        print(json.dumps(measure_growth(side, [int(number) for number in size])))
        return
    found = measure(arguments.rounds, arguments.processes)
    show(found)
    goals = {"ratio": GOAL, "least": LEAST, "memory": GOAL_MEMORY, "slope": GOAL_SLOPE, "share": GOAL_SHARE}
    print(f"written to {record('sigreg', {**found, 'goals': goals})}")


if __name__ == "__main__":
    main()
