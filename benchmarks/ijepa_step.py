"""How much of the machine's matrix product a training step of ViT-S/16 reaches: `python -m benchmarks.ijepa_step`.

FLOP of the step are counted by hand, attention included, only what the exact step executes; one thread, batch 8. The
rate of sgemm (2048 cubed) is measured in the same rounds. The goal is a share of 0.75.
"""

import argparse
import statistics

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.record import control_holds, interleave, ratio, record
from benchmarks.steps import STEPS, ours, pictures
from jepakit.contracts import Rows, step_at
from jepakit.family.ijepa import VIT_S16

BATCH, SIDE, GOAL = 8, 2048, 0.75


def flops_of(index: int) -> float:
    """Operations of step number `index`, whose masks are drawn again to be counted."""
    torch.manual_seed(0)
    method = VIT_S16.build()
    with torch.no_grad():
        answers = method.backbone.tokenizer(pictures(VIT_S16, BATCH))
        split = method.masker(answers.coords, answers.extent, step_at(index, STEPS, Rows(0, BATCH, BATCH)).shared,
                              Rows(0, BATCH, BATCH))  # fmt: skip
    return float(BATCH * method.flops(answers.values.shape[1], split))


def main() -> None:
    """Measures, prints the share and a profile of what remains, and writes results/benchmarks/ijepa_step.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    left, right = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    step, again = ours(VIT_S16, BATCH), ours(VIT_S16, BATCH)
    seconds = interleave({"step": step, "again": again, "sgemm": lambda: left @ right}, arguments.rounds, warmup=1)
    counts = [flops_of(index) for index in range(1, arguments.rounds + 1)]
    peak = [2 * SIDE**3 / time for time in seconds["sgemm"]]
    shares = [count / time / rate for count, time, rate in zip(counts, seconds["step"], peak, strict=True)]
    control = ratio(seconds["again"], seconds["step"])
    low, high = statistics.quantiles(shares, n=20)[0], statistics.quantiles(shares, n=20)[-1]
    share = {"value": statistics.median(shares), "low": low, "high": high, "n": len(shares), "unit": "share"}
    print(f"share of sgemm {share['value']:.3f} ({low:.3f} to {high:.3f}), goal {GOAL}; control {control['value']:.3f}")
    print(f"sgemm {statistics.median(peak) / 1e9:.0f} GFLOP/s; a step is {statistics.median(counts) / 1e9:.0f} GFLOP")
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    remains = profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=10, max_name_column_width=40)
    print(remains)
    claims = {"speed.ijepa_step.share_of_peak": share} if control_holds(control) else {}
    payload = {"claims": claims, "goal": GOAL, "control": control, "sgemm_flops": peak, "step_flops": counts}
    print(record("ijepa_step", {**payload, "seconds": seconds, "profile": remains.splitlines()}))


if __name__ == "__main__":
    main()
