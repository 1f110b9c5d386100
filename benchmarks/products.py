"""Matrix products of the sizes that networks here are made of: by PyTorch's own choice and by oneDNN.

    python -m benchmarks.products

This is the ground on which `jepakit.parts.nn.linear` stands: it calls oneDNN wherever it is there, in all three
products of a layer. A row in which oneDNN is slower speaks against it. One thread.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.record import control_holds, interleave, ratio, record
from jepakit.parts.nn.linear import _correlate, linear

SHAPES = {
    "square": (2048, 2048, 2048),
    "ViT-B qkv": (4 * 196, 768, 2304),
    "ViT-B MLP": (4 * 196, 768, 3072),
    "ViT-S MLP": (8 * 196, 384, 1536),
    "demo, MLP of all tokens": (64 * 16, 128, 512),
    "demo, MLP of the context": (64 * 8, 128, 512),
    "demo, MLP of the predictor": (256 * 10, 64, 256),
}
"""Rows, width and outputs."""
PASSES = ("forward", "to the input", "to the weights")
GFLOP_IN_A_ROUND = 2.0


def sides(x: Tensor, weight: Tensor, grad: Tensor) -> dict[str, dict[str, Callable[[], Tensor]]]:
    """The three products of a layer, forward and backward, by PyTorch and by oneDNN."""
    return {
        "forward": {"PyTorch": lambda: x @ weight.t(), "oneDNN": lambda: linear(x, weight)},
        "to the input": {"PyTorch": lambda: grad @ weight, "oneDNN": lambda: linear(grad, weight.t())},
        "to the weights": {"PyTorch": lambda: grad.t() @ x, "oneDNN": lambda: _correlate(grad, x)},
    }


def measure(shape: tuple[int, int, int], rounds: int) -> dict[str, Any]:
    """GFLOP/s of both and how many times as fast oneDNN is, for each of the three products."""
    rows, width, outputs = shape
    gflop = 2 * rows * width * outputs / 1e9
    times = max(1, round(GFLOP_IN_A_ROUND / gflop))
    found = {}
    for name, pair in sides(torch.randn(rows, width), torch.randn(outputs, width), torch.randn(rows, outputs)).items():
        pair["oneDNN again"] = pair["oneDNN"]
        seconds = interleave({side: several(product, times) for side, product in pair.items()}, rounds, warmup=2)
        control = ratio(seconds["oneDNN again"], seconds["oneDNN"])
        rates = {side: gflop * times / statistics.median(seconds[side]) for side in ("PyTorch", "oneDNN")}
        faster = ratio(seconds["PyTorch"], seconds["oneDNN"])
        found[name] = {"gflops": rates, "ratio": faster, "control": control, "valid": control_holds(control)}
    return found


def several(product: Callable[[], Tensor], times: int) -> Callable[[], None]:
    """One round: the product so many times."""

    def run() -> None:
        for _ in range(times):
            product()

    return run


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/products.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title="GFLOP/s of float32 products: PyTorch's own, oneDNN's, and the ratio")
    for column in ("layer", "rows x width x outputs", *PASSES):
        table.add_column(column)
    rows = {}
    with torch.no_grad():
        for name, shape in SHAPES.items():
            rows[name] = measure(shape, arguments.rounds)
            cells = [rows[name][step] for step in PASSES]
            texts = [
                f"{cell['gflops']['PyTorch']:.0f}, {cell['gflops']['oneDNN']:.0f}, {cell['ratio']['value']:.2f}"
                for cell in cells
            ]
            table.add_row(name, " x ".join(str(size) for size in shape), *texts)
    Console().print(table)
    print(f"written to {record('products', {'rows': rows})}")


if __name__ == "__main__":
    main()
