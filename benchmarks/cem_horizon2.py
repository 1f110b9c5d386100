"""Costs of a round of candidates two steps ahead, against computing every sequence anew: V-JEPA 2-AC in small.

    python -m benchmarks.cem_horizon2

A predictor of 6 blocks of width 384 on frames of 256 tokens, 16 candidates, horizon 2, one thread. The plain side does
as one writes it down first: the sequence grows by a frame and goes through the whole predictor again at every step, for
every candidate, sines and cosines made anew in every block; attention is SDPA on both sides. Weights are the same, and
the costs of all candidates are compared before the clock starts: to 1e-6. The goal is a ratio of 1.7. A third side uses
jepakit's own predictor without what it remembers, which says how much of the ratio is remembering.
"""

import argparse
import statistics
import time
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.plain_video import turn
from benchmarks.record import control_holds, interleave, ratio, record
from jepakit.contracts import Observation, State
from jepakit.family.vjepa2_ac import VJEPA2AC
from jepakit.methods.world_model import WorldModelJEPA, as_frame
from jepakit.parts.nn.causal import CausalBlock
from jepakit.parts.nn.frames import by_frame, cut_frames
from jepakit.parts.predictors.causal import AsTokens, CausalDynamics
from jepakit.parts.predictors.dynamics import Conditions, append
from jepakit.poses import move

SIZES = VJEPA2AC(
    image=(256, 256), dim=384, depth=1, heads=6, mlp_ratio=1.0, predictor_dim=384, predictor_depth=6, predictor_heads=6,
    initialization="fan_in",
)  # fmt: skip
CANDIDATES, HORIZON, GOAL, TOLERANCE = 16, 2, 1.7, 1e-6


def main() -> None:
    """Measures, prints a table and writes results/benchmarks/cem_horizon2.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each side runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(SIZES, CANDIDATES, arguments.rounds)
    show(found)
    claims = {"speed.cem_horizon2.ratio": {**found["ratio"], "unit": "times"}} if found["valid"] else {}
    payload = {"claims": claims, "goal": GOAL, "candidates": CANDIDATES, "horizon": HORIZON, **found}
    print(f"written to {record('cem_horizon2', payload)}")


@torch.no_grad()
def measure(sizes: VJEPA2AC, candidates: int, rounds: int) -> dict[str, Any]:
    """CPU milliseconds a round of each side, ratio and control. Raises AssertionError if costs of any two differ."""
    torch.manual_seed(0)
    method = sizes.build().eval()
    pictures = torch.randn(2, sizes.channels, 1, *sizes.image)
    poses = torch.rand(2, 1, 7)
    states = method.encode(Observation(pictures, poses))
    assert states.known is not None
    start, goal = State(states.latent[:1], states.known[:1]), states.latent[1]
    actions = 0.1 * torch.randn(1, candidates, HORIZON, 7)
    sides = {
        "plain": lambda: costs(plain_rollout(method, start, actions[0]), goal),
        "jepakit, nothing remembered": lambda: costs(forgetful_rollout(method, start, actions[0]), goal),
        "jepakit": lambda: costs(method.imagine(start, actions).latent[0, :, -1], goal),
        "jepakit again": lambda: costs(method.imagine(start, actions).latent[0, :, -1], goal),
    }
    wanted = sides["plain"]()
    difference = max((side() - wanted).abs().max().item() for side in sides.values())
    if not difference < TOLERANCE:
        raise AssertionError(f"costs differ by {difference:.1e}: their times cannot be compared")
    seconds = interleave(sides, rounds, clock=time.process_time)
    control = ratio(seconds["jepakit again"], seconds["jepakit"])
    return {
        "milliseconds": {name: 1e3 * statistics.median(times) for name, times in seconds.items()},
        "ratio": ratio(seconds["plain"], seconds["jepakit"]),
        "by_remembering": ratio(seconds["jepakit, nothing remembered"], seconds["jepakit"]),
        "difference": difference,
        "spread_of_costs": wanted.std().item(),
        "control": control,
        "valid": control_holds(control),
    }


def costs(latents: Tensor, goal: Tensor) -> Tensor:
    """How far each candidate [s n d] ends from the goal: the mean absolute difference (V-JEPA 2-AC)."""
    return (latents - goal).abs().mean(dim=(1, 2))


def plain_rollout(method: WorldModelJEPA, start: State, actions: Tensor) -> Tensor:
    """The last frames that are predicted, the whole sequence anew for every step."""
    assert start.known is not None
    count, horizon = actions.shape[:2]
    frames = start.latent.repeat(count, 1, 1).unsqueeze(1)
    poses = start.known.repeat(count, 1).unsqueeze(1)
    for step in range(horizon):
        said = plain_predictor(method.dynamics, frames, actions[:, : step + 1], poses)
        frames = torch.cat([frames, said[:, -1:]], dim=1)
        poses = torch.cat([poses, move(poses[:, -1], actions[:, step]).unsqueeze(1)], dim=1)
    return frames[:, -1]


def plain_predictor(dynamics: object, frames: Tensor, actions: Tensor, poses: Tensor) -> Tensor:
    """The successors of all frames [b t n d], by the weights of `dynamics`."""
    assert isinstance(dynamics, CausalDynamics)
    telling = dynamics.telling
    assert isinstance(telling, AsTokens)
    assert telling.state is not None
    batch, steps, tokens = frames.shape[:3]
    parts = [plain_linear(telling.action, actions), plain_linear(telling.state, poses)]
    x = torch.cat([*(part.unsqueeze(2) for part in parts), plain_linear(telling.embedding, frames)], dim=2).flatten(
        1, 2
    )
    side = round(tokens**0.5)
    moment = torch.arange(steps).repeat_interleave(tokens + 2)
    inside = torch.cat([torch.zeros(2, dtype=torch.long), torch.arange(tokens)]).repeat(steps)
    places = (moment * tokens + inside).expand(batch, -1)
    mask = moment.unsqueeze(1) >= moment
    for block in dynamics.encoder.blocks:
        assert isinstance(block, CausalBlock)
        x = plain_block(block, x, places, (steps, side, side), mask)
    x = dynamics.encoder.norm(x).unflatten(1, (steps, tokens + 2))[:, :, 2:]
    said = plain_linear(dynamics.head, x)
    return F.layer_norm(said, said.shape[-1:])


def plain_block(block: CausalBlock, x: Tensor, places: Tensor, extent: tuple[int, int, int], mask: Tensor) -> Tensor:
    """Attention and MLP behind norms."""
    batch, count, dim = x.shape
    heads = block.attention.heads
    qkv = plain_linear(block.attention.qkv, block.attention_norm(x))
    q, k, v = qkv.reshape(batch, count, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(turn(q, places, extent), turn(k, places, extent), v, attn_mask=mask)
    x = x + plain_linear(block.attention.projection, mixed.transpose(1, 2).reshape(batch, count, dim))
    return x + plain_linear(block.mlp.contract, F.gelu(plain_linear(block.mlp.expand, block.mlp_norm(x))))


def plain_linear(layer: torch.nn.Module, x: Tensor) -> Tensor:
    """PyTorch's own product."""
    assert isinstance(layer, torch.nn.Linear)
    return F.linear(x, layer.weight, layer.bias)


def forgetful_rollout(method: WorldModelJEPA, start: State, actions: Tensor) -> Tensor:
    """The same with jepakit's predictor, which is given all frames at every step."""
    assert start.known is not None
    count, horizon = actions.shape[:2]
    frames = as_frame(State(start.latent.repeat(count, 1, 1)))
    poses = start.known.repeat(count, 1).unsqueeze(1)
    for step in range(horizon):
        said = method.dynamics(frames, Conditions(actions[:, : step + 1], poses))
        frames = append(frames, cut_frames(said, step, step + 1))
        poses = torch.cat([poses, move(poses[:, -1], actions[:, step]).unsqueeze(1)], dim=1)
    return by_frame(frames)[:, -1]


def show(found: dict[str, Any]) -> None:
    """Prints the table."""
    table = Table(title=f"{CANDIDATES} candidates, {HORIZON} steps ahead, one thread")
    for column in ("side", "CPU ms", "times slower than jepakit"):
        table.add_column(column)
    rows = zip(found["milliseconds"].items(), (found["ratio"], found["by_remembering"], None, None), strict=True)
    for (name, milliseconds), times in rows:
        interval = "" if times is None else f"{times['value']:.2f} ({times['low']:.2f} to {times['high']:.2f})"
        table.add_row(name, f"{milliseconds:.0f}", interval)
    console = Console()
    console.print(table)
    console.print(
        f"costs differ by {found['difference']:.1e} at most, among themselves by {found['spread_of_costs']:.1e}"
    )
    console.print(f"control: {found['control']['value']:.3f}" + ("" if found["valid"] else ", too busy"))


if __name__ == "__main__":
    main()
