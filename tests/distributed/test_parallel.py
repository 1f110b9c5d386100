"""Two processes, by DDP and by FSDP2, do what one does: the same weights after several steps of I-JEPA and others.

Batches are uneven (7 samples on 2 ranks, some broken), in micro-batches, clipped, with an EMA target that is sharded.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from two_ranks import NoiseData, Trouble, Wide, Width

from jepakit.family import ijepa, lejepa, vjepa21
from jepakit.parts.nn.convnet import ResNet
from jepakit.parts.nn.sizes import Larger
from jepakit.train.checkpoint import latest
from jepakit.train.fit import fit
from jepakit.train.optimize import AdamW
from jepakit.train.run import Keep, Run
from jepakit.train.watch import Watch

STEPS = 4
RUN = Run(
    model=Wide(),
    data=NoiseData(wide=True, broken=(3, 11)),
    steps=STEPS,
    batch=7,
    optimizer=AdamW(peak=1e-3, warmup=0.2),
    clip=1.0,
    accumulate=2,
    device="cpu",
    threads=1,
    workers=0,
    log_every=1,
    probes=(Width(),),
    keep=Keep(every=2),
    watch=Watch(action="warn", every=2, samples=4, views=2),
    max_broken_share=0.5,
    sinks=(),
)
DISTILLED = replace(
    RUN,
    model=Wide(inner=replace(vjepa21.TINY, distilled_from=32, larger=Larger(dim=32, depth=4, heads=4), frames=2)),
    data=NoiseData(wide=True, frames=2),
    probes=(),
    watch=Watch(action="off"),
)
VIEWS = replace(
    RUN,
    model=Wide(inner=replace(lejepa.TINY, network=ResNet(image=(32, 32), widths=(8, 16), blocks=1, shrink=2))),
    accumulate=1,  # batch normalization sees a micro-batch, which two ranks cut elsewhere
    probes=(),
)
NARROW = replace(RUN, model=ijepa.TINY, data=NoiseData(broken=(3, 11)))
SEVERAL = {"wide": RUN, "narrow": NARROW, "distilled": DISTILLED, "views": VIEWS}


def together(scenarios: list[dict], folder: Path, ranks: int = 2) -> None:
    """Runs the scenarios in `ranks` processes, as torchrun would start them."""
    plan = folder / "plan.json"
    plan.write_text(json.dumps(scenarios))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = []
    for rank in range(ranks):
        environment = {
            **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks),
            "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        command = [sys.executable, "-W", "error", str(Path(__file__).with_name("two_ranks.py")), str(plan)]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        problems = [process.communicate(timeout=240)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0] * ranks, "\n".join(problems)


def scenario(run: Run, out: Path, resume: bool = False) -> dict:
    return {"run": run.to_json(), "out": str(out), "resume": resume}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with every scenario trained: by one process here, by two processes there."""
    folder = tmp_path_factory.mktemp("runs")
    for name, run in SEVERAL.items():
        fit(run, folder / f"{name}-one")
    alarm = replace(RUN.watch, action="stop", every=1, readings=1, floor=1000.0, armed=0.0)
    recomputing = replace(RUN, checkpoint_activations=True, parallel="fsdp")
    shutil.copytree(folder / "wide-one", folder / "resumed")
    shutil.rmtree(folder / "resumed" / f"step-{STEPS:08d}")
    together(
        [
            *[
                scenario(replace(run, parallel=mode), folder / f"{name}-{mode}")
                for name, run in SEVERAL.items()
                for mode in ("ddp", "fsdp")
            ],
            scenario(recomputing, folder / "recomputing"),
            scenario(replace(RUN, parallel="fsdp"), folder / "resumed", resume=True),
            scenario(replace(RUN, watch=alarm, parallel="fsdp"), folder / "collapsing"),
            scenario(replace(RUN, probes=(Trouble(kind="signal"),)), folder / "asked"),
            scenario(replace(RUN, probes=(Trouble(kind="disk"),), parallel="fsdp"), folder / "full"),
        ],
        folder,
    )
    return folder


def weights(folder: Path, step: int = STEPS) -> dict[str, torch.Tensor]:
    return load_file(folder / f"step-{step:08d}" / "model.safetensors")


def assert_equal(one: Path, other: Path, tolerance: float) -> None:
    """Every tensor differs by at most `tolerance`, relative to its largest element."""
    expected, found = weights(one), weights(other)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        difference = (value - found[name]).abs().max() / value.abs().max().clamp(min=1e-3)
        assert difference <= tolerance, f"{name}: {difference:.2e}"


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_two_ranks_are_one_in_float64(trained, mode):
    assert_equal(trained / "wide-one", trained / f"wide-{mode}", 1e-9)


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_two_ranks_are_one_in_float32(trained, mode):
    assert_equal(trained / "narrow-one", trained / f"narrow-{mode}", 1e-5)


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_two_ranks_learn_alike_from_a_larger_network(trained, mode):
    assert_equal(trained / "distilled-one", trained / f"distilled-{mode}", 1e-9)


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_two_ranks_share_the_statistics_of_batches_and_of_embeddings(trained, mode):
    """LeJEPA on a ResNet: batch normalization of maps and of heads, and SIGReg, on uneven shares."""
    assert_equal(trained / "views-one", trained / f"views-{mode}", 1e-9)


def test_the_runs_moved_everything_and_the_average_as_well(trained):
    start = weights(trained / "wide-one", 2)
    end = weights(trained / "wide-one")
    moved = {name for name, value in start.items() if not torch.equal(value, end[name])}
    assert {name for name in start if name.startswith("target.")} <= moved
    assert len(moved) == len(start)


def test_sharded_blocks_that_recompute_are_the_same(trained):
    assert_equal(trained / "wide-one", trained / "recomputing", 1e-9)


def test_a_run_of_one_process_goes_on_in_two(trained):
    assert_equal(trained / "wide-one", trained / "resumed", 1e-9)


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_a_run_of_two_processes_goes_on_in_one(trained, tmp_path, mode):
    shutil.copytree(trained / f"wide-{mode}", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / f"step-{STEPS:08d}")
    fit(RUN, tmp_path / "out", resume=True)
    assert_equal(trained / "wide-one", tmp_path / "out", 1e-9)


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_logs_meters_and_probes_are_those_of_one_process(trained, mode):
    one, two = (
        [json.loads(line) for line in (trained / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("wide-one", f"wide-{mode}")
    )
    assert [line.keys() for line in one] == [line.keys() for line in two]
    for expected, found in zip(one, two, strict=True):
        for key in ("loss", "terms", "metrics", "watch", "probe", "broken"):
            if key in expected:
                assert found[key] == pytest.approx(expected[key], rel=1e-5), key
    one, two = (
        [json.loads(line)["name"] for line in (trained / name / "broken.jsonl").read_text().splitlines()]
        for name in ("wide-one", f"wide-{mode}")
    )
    assert one
    assert sorted(one) == sorted(two)


def test_shards_are_shards(trained):
    """Under FSDP2 each process saves its own part of the optimizer, and the parts make up the whole."""
    files = sorted((trained / "wide-fsdp" / f"step-{STEPS:08d}" / "resume").glob("*.safetensors"))
    parts = [load_file(file) for file in files]
    assert len(parts) == 2
    name = "backbone.encoder.blocks.0.mlp.expand.weight.exp_avg"
    whole = load_file(next((trained / "wide-one" / f"step-{STEPS:08d}" / "resume").glob("*.safetensors")))[name]
    torch.testing.assert_close(torch.cat([part[name] for part in parts]), whole, rtol=1e-6, atol=1e-12)


def test_a_batch_too_small_for_the_ranks_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ValueError, match=r"too small for 4 processes.*--batch 8"):
        fit(RUN, tmp_path / "out")


def test_a_signal_to_one_rank_stops_all_after_the_same_step(trained):
    for rank in range(2):
        assert "stopped after step 3 of 4" in (trained / f"asked.{rank}.143.txt").read_text()
    assert latest(trained / "asked") == trained / "asked" / "step-00000003"


def test_a_full_disk_stops_all_and_leaves_the_last_checkpoint(trained):
    assert "No space left on device" in (trained / "full.0.1.txt").read_text()
    for rank in range(2):
        assert "step-00000002 is intact" in (trained / f"full.{rank}.1.txt").read_text()
    assert latest(trained / "full") == trained / "full" / "step-00000002"
    assert list((trained / "full").glob(".step-*")) == []


def test_a_collapse_stops_every_rank_with_the_same_sentence(trained):
    sentences = {(trained / f"collapsing.{rank}.1.txt").read_text() for rank in range(2)}
    assert len(sentences) == 1
    assert "collapsed: at step 1 " in sentences.pop()
