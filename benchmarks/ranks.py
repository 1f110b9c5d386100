"""How far every regularizer on several processes is from the same one on a single process: its value and gradient.

    python -m benchmarks.ranks

Processes talk by gloo and hold unequal shares of a batch in float64; values and gradients go through the engine's own
`Spread`, by DDP and by FSDP2. An error is relative to the largest entry. The goal is at most 1e-9.
"""

import argparse
import itertools
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.record import ROOT, record
from jepakit.config import Config
from jepakit.contracts import Losses, Regularizer, Rows, Step, step_at
from jepakit.parts.regularizers import normality
from jepakit.parts.regularizers.contrastive import InfoNCE, MarginHinge, PairedInfoNCE
from jepakit.parts.regularizers.entropy import MeanEntropy
from jepakit.parts.regularizers.inverse import InverseDynamics
from jepakit.parts.regularizers.moments import CrossCorrelation, VarianceCovariance
from jepakit.parts.regularizers.sigreg import NormalityTest, SIGReg, Sliced
from jepakit.parts.regularizers.temporal import Straightness, TemporalSimilarity
from jepakit.parts.regularizers.visreg import SlicedWasserstein, VISReg
from jepakit.train.parallel import LETTING_GO, Spread, start
from jepakit.train.run import Run

SHARES: tuple[tuple[int, ...], ...] = ((9, 4), (4, 1, 8))
"""How many samples each process holds, for each number of processes."""
Mode = Literal["ddp", "fsdp"]
MODES: tuple[Mode, ...] = ("ddp", "fsdp")
GOAL = 1e-9
FRAMES, VIEWS, WIDTH, ACTION = 3, 2, 5, 2
"""What bends takes three embeddings of a sample, all others are given two."""
TESTS: tuple[NormalityTest, ...] = (
    normality.Moments(), normality.ExtendedJarqueBera(), normality.AndersonDarling(), normality.CramerVonMises(),
    normality.Watson(), normality.ShapiroWilk(), normality.VasicekEntropy(), SlicedWasserstein(),
)  # fmt: skip
REGULARIZERS: dict[str, Regularizer] = {
    "SIGReg": SIGReg(7),
    "SIGReg, within samples": SIGReg(7, over="views"),
    "SIGReg, all together": SIGReg(7, over="all"),
    **{f"sliced {type(test).__name__}": Sliced(test, 7) for test in TESTS},
    "VISReg": VISReg(7),
    "VarianceCovariance": VarianceCovariance(),
    "CrossCorrelation": CrossCorrelation(),
    "InfoNCE": InfoNCE(0.3),
    "PairedInfoNCE": PairedInfoNCE(0.3),
    "MarginHinge": MarginHinge(),
    "MeanEntropy": MeanEntropy(1.0),
    "TemporalSimilarity": TemporalSimilarity(),
    "Straightness": Straightness(),
}
INVERSE = "InverseDynamics"
NAMES = (*REGULARIZERS, INVERSE)
RUN = Run(model=Config(), data=Config(), steps=1, batch=sum(SHARES[0]), device="cpu", threads=1)


class Embedding(nn.Module):
    """The least that has embeddings: a layer whose parameters get a gradient, and a regularizer as the only loss."""

    def __init__(self, regularizer: Regularizer | InverseDynamics) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH, dtype=torch.float64)
        with torch.no_grad():
            self.layer.weight.copy_(0.5 * drawn(2, WIDTH, WIDTH))
            self.layer.bias.copy_(0.1 * drawn(3, WIDTH))
        self.regularizer = regularizer

    def forward(self, batch: Mapping[str, Tensor], step: Step) -> Losses:
        views = FRAMES if isinstance(self.regularizer, Straightness) else VIEWS
        embeddings = self.layer(batch["x"][:, :views]).transpose(0, 1)
        if isinstance(self.regularizer, InverseDynamics):
            return Losses({"regularizer": self.regularizer(embeddings, batch["actions"])})
        return Losses({"regularizer": self.regularizer(embeddings, step)})


def regularizer(name: str) -> Regularizer | InverseDynamics:
    """One of those that are compared; the one that learns has the same weights in every process."""
    if name != INVERSE:
        return REGULARIZERS[name]
    torch.manual_seed(4)
    return InverseDynamics(WIDTH, ACTION, hidden=8).double()


def drawn(seed: int, *shape: int) -> Float[Tensor, "*s"]:
    """Numbers that are the same in every process."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Outcome = dict[str, list[float]]
"""Of each regularizer its value and, behind it, the gradient of every parameter."""


def outcome(mode: Mode, shares: Sequence[int]) -> Outcome:
    """What a step gives on this process: the one of `shares` that the environment says it is, or else all samples."""
    found = {}
    with start(replace(RUN, parallel=mode)) as place:
        held = shares if place.ranks > 1 else [sum(shares)]
        rows = Rows(sum(held[: place.rank]), held[place.rank], sum(held))
        samples = {"x": drawn(1, rows.total, FRAMES, WIDTH), "actions": drawn(5, rows.total, VIEWS - 1, ACTION)}
        batch = {key: values[rows.first : rows.first + rows.count] for key, values in samples.items()}
        for name in NAMES:
            method = Embedding(regularizer(name))
            spread = Spread(method, RUN, place)
            losses = spread.losses(batch, step_at(5, 10, rows))
            spread.backward(losses, rows)
            gradients = [whole(parameter.grad).flatten() for parameter in method.parameters()]
            found[name] = torch.cat([losses.total.detach().reshape(1), *gradients]).tolist()
    return found


def whole(gradient: Tensor | None) -> Tensor:
    """A gradient put together from the parts of all processes, where it is in parts."""
    assert gradient is not None, "the layer takes part in every loss"
    full = getattr(gradient, "full_tensor", None)
    return gradient if full is None else full()


def errors(shares: Sequence[int]) -> dict[Mode, dict[str, float]]:
    """The largest error of each regularizer on these shares, over all processes, for each way to spread them."""
    expected = {name: torch.tensor(numbers, dtype=torch.float64) for name, numbers in outcome("ddp", shares).items()}
    processes = in_processes(shares)
    found: dict[Mode, dict[str, float]] = {mode: {} for mode in MODES}
    for mode, (name, exact) in itertools.product(MODES, expected.items()):
        apart = (torch.tensor([process[mode][name] for process in processes], dtype=torch.float64) - exact).abs()
        of_value, of_gradient = apart[:, 0].max() / exact[0].abs(), apart[:, 1:].max() / exact[1:].abs().max()
        error = torch.maximum(of_value, of_gradient).item()
        found[mode][name] = error if math.isfinite(error) else math.inf
    return found


def in_processes(shares: Sequence[int]) -> list[dict[Mode, Outcome]]:
    """What a step gives in each of several processes that run together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": len(shares), "LOCAL_WORLD_SIZE": len(shares), "OMP_NUM_THREADS": 1}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-W", "error", "-m", "benchmarks.ranks", "--shares", *map(str, shares)]
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for rank in range(len(shares)):
            own = {key: str(value) for key, value in {**shared, "RANK": rank, "LOCAL_RANK": rank}.items()}
            environment = {**os.environ, **own}
            processes.append(
                subprocess.Popen(
                    [*command, "--out", folder], env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
                )
            )
        try:
            problems = [process.communicate(timeout=480)[1] for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
        if any(process.returncode for process in processes):
            raise RuntimeError("a process failed:\n" + "\n".join(problems))
        return [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(len(shares))]


def be_one_of_several(shares: Sequence[int], folder: Path) -> None:
    """Takes part in steps with the other processes, and writes what they gave to RANK.json."""
    dist.init_process_group("gloo")
    text = json.dumps({mode: outcome(mode, shares) for mode in MODES})
    (folder / f"{dist.get_rank()}.json").write_text(text)
    time.sleep(LETTING_GO)
    dist.destroy_process_group()


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/ranks.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shares", type=int, nargs="+", help="be one of several processes that hold so many samples")
    parser.add_argument("--out", type=Path, help="where such a process writes what it found")
    arguments = parser.parse_args()
    if arguments.shares:
        be_one_of_several(arguments.shares, arguments.out)
        return
    rows = [
        {"mode": mode, "shares": shares, "errors": found} for shares in SHARES for mode, found in errors(shares).items()
    ]
    largest = {name: max(row["errors"][name] for row in rows) for name in NAMES}
    table = Table(title="Several processes against one, float64: the largest relative error of value and gradient")
    for column in ("regularizer", "error"):
        table.add_column(column)
    for name, error in largest.items():
        table.add_row(name, f"{error:.1e}")
    Console().print(table)
    worst = max(largest.values())
    bounds = {"value": worst, "low": min(largest.values()), "high": worst, "n": len(rows) * len(NAMES)}
    claim = {"distributed.regularizers.max_error": {**bounds, "unit": "relative error, float64"}}
    print(f"written to {record('ranks', {'claims': claim, 'goal': GOAL, 'rows': rows})}")


if __name__ == "__main__":
    main()
