"""Members on two processes: losses, metrics, gradients and centers are those of one.

python test_rivals.py OUT    one of the processes, with the environment that torchrun gives: by DDP, then by FSDP2
"""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jepakit.config import Config
from jepakit.contracts import Rows, step_at
from jepakit.family import dinowm, ijepa, lejepa, leworld, lvjepa, pldm, vjepa, vjepa2, vjepa21
from jepakit.rivals import (
    barlow,
    byol,
    data2vec,
    dino,
    gcbc,
    ibot,
    mae,
    moco,
    msn,
    next_frames,
    omnimae,
    pixel_diffusion,
    simclr,
    simsiam,
    vicreg,
    videomae,
    vq_video,
)
from jepakit.train.parallel import Place, Spread, start
from jepakit.train.run import Run

OF_VIEWS = (barlow, byol, data2vec, dino, ibot, lejepa, moco, msn, simclr, simsiam, vicreg)
MASKED = (ijepa, mae, omnimae, vjepa, vjepa2, vjepa21, videomae)
ACTED = (dinowm, gcbc, leworld, pldm)
LATENTS = ("searched", "categorical", "quantized", "gaussian", "sparse")
WITHIN = {"target": "shared", "sigreg": 0.05, "sigreg_on": "steps", "sigreg_over": "views"}
MEMBERS = {
    **{
        member.__name__.rpartition(".")[2]: member.TINY
        for member in (*OF_VIEWS, *MASKED, *ACTED, next_frames, pixel_diffusion, vq_video)
    },
    **{f"lvjepa, {latent}": replace(lvjepa.TINY, latent=latent) for latent in LATENTS},
    "ijepa, SIGReg": replace(ijepa.TINY, target="shared", sigreg=0.05),
    "vjepa, SIGReg within clips": replace(vjepa.TINY, **WITHIN),
}
SHARES = (5, 2)
RUNS = [
    Run(model=Config(), data=Config(), steps=2, batch=7, device="cpu", threads=1, parallel=mode)
    for mode in ("ddp", "fsdp")
]


def outcomes():
    """Of each member and way to spread it; with one process there are no ways, and one stands for both."""
    with start(RUNS[0]) as place:
        runs = RUNS if place.ranks > 1 else RUNS[:1]
        return [{name: outcome(config, run, place) for name, config in MEMBERS.items()} for run in runs]


def outcome(config: Config, run: Run, place: Place):
    """Of two steps: losses of the global batch, the gradients of the last one, and all buffers."""
    shares = SHARES if place.ranks > 1 else (sum(SHARES),)
    rows = Rows(sum(shares[: place.rank]), shares[place.rank], sum(shares))
    mine, shape = slice(rows.first, rows.first + rows.count), config.samples[0]
    torch.manual_seed(0)
    x = torch.randn(7, 2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))[mine]
    batch = {"x": x[:, 0]} if len(shape) == 4 else {"x": x[:, 0], "globals": x[:, 1:]}
    batch |= {name: drawn(*sizes)[mine] for name, sizes in acted(config).items()}
    method = config.build().double()
    spread, losses, metrics = Spread(method, run, place), [], {}
    for index in range(2):
        step = step_at(index, 2, rows)
        method.zero_grad()
        total = spread.losses(batch, step)
        spread.backward(total, rows)
        share = rows.count / rows.total
        losses.append(place.sum(total.total.detach() * share))
        metrics = {f"metric {key}": place.sum(value.detach() * share) for key, value in total.metrics.items()}
        method.after_step(step)
    learning = {key: value for key, value in method.named_parameters() if value.requires_grad}
    gradients = {key: whole(value.grad).clone() for key, value in learning.items() if value.grad is not None}
    return {
        "losses": torch.stack(losses),
        **metrics,
        **gradients,
        **{key: whole(at) for key, at in method.named_buffers()},
    }


def acted(config):
    """The sizes of what goes beside the clips of a world model, or of what clones."""
    if not hasattr(config, "action"):
        return {}
    frames = config.samples[0][1]
    return {"actions": (frames - 1, config.action), "proprio": (frames, config.proprio)}


def drawn(*shape):
    """Numbers for seven samples, the same in every process."""
    return torch.randn(7, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def whole(tensor):
    """All of a tensor that may lie in shards."""
    full = getattr(tensor, "full_tensor", None)
    return tensor if full is None else full()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What one process finds here, and what each of two finds there."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = []
    for rank in range(2):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        environment = {**os.environ, **own, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "error", __file__, str(folder / f"{rank}.pt")]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    try:
        problems = [process.communicate(timeout=480)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(problems)
    return outcomes(), [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("mode", range(len(RUNS)), ids=[run.parallel for run in RUNS])
@pytest.mark.parametrize("name", MEMBERS)
def test_two_ranks_are_one(both, name, mode):
    (expected,), ranks = both
    for found in ranks:
        assert found[mode][name].keys() == expected[name].keys()
        for key, value in expected[name].items():
            torch.testing.assert_close(
                found[mode][name][key], value, rtol=1e-7, atol=1e-10, msg=lambda text, key=key: f"{key}: {text}"
            )
    if "target.centers" in expected[name]:
        assert expected[name]["target.centers"].abs().max() > 0.01, "the centers moved"


if __name__ == "__main__":
    torch.save(outcomes(), Path(sys.argv[1]))
